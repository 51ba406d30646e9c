from __future__ import annotations

import csv
import json
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError, SourceError
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import open_records
from streamfer.types import StreamEvent
from tests.support.analysed import make_result
from tests.support.record_files import FORMATS, header, some_results

OLD_FACE = {
    "track": 1,
    "box": [10.0, 8.0, 30.0, 28.0],
    "score": 0.9,
    "landmarks": [[15, 14], [25, 14], [20, 18], [16, 23], [24, 23]],
    "emotion": "happy",
    "probs": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
    "smoothed": [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0],
}
"""Before there were latents and trust."""


def write_lines(path: Path, *records: dict[str, object]) -> Path:
    lines = [header().to_json(), *records]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def frame(index: int, *faces: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "stream": "talk",
        "frame": index,
        "time_s": index / 25,
        "dropped": 0,
        "faces": list(faces),
    } | more


def test_older_files_lack_fields_and_newer_ones_have_more(tmp_path: Path) -> None:
    newer = OLD_FACE | {"latent": None, "trust": 0.5, "gaze": [1, 2], "mood": "calm"}
    frames = [frame(0, OLD_FACE), frame(1, newer, weather="fine"), frame(2)]
    records = read_records(write_lines(tmp_path / "r.jsonl", *frames))
    assert records.frames == frames
    table = records.to_table()
    assert table["trust"].to_pylist() == [None, 0.5, None]
    assert table["track"].to_pylist() == [1, 1, None]


def test_tables_with_fewer_and_more_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    with closing(open_records(path, header())) as writer:
        writer.write(make_result(0, faces=1))
        writer.write(make_result(1, faces=0))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, colour in zip(rows, ("red", ""), strict=True):
        del row["trust"]
        del row["landmark_nose_x"]
        row.update(colour=colour, age="31" if colour else "")
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    with_face, without = read_records(path).frames
    (face,) = with_face["faces"]
    assert (face["colour"], face["age"], face["emotion"]) == ("red", 31, "happy")
    assert not {"trust", "landmarks"} & face.keys()
    assert without["faces"] == []
    parquet = tmp_path / "r.parquet"
    with closing(open_records(parquet, header())) as writer:
        writer.write(make_result(0, faces=1))
    older = pq.read_table(parquet).drop_columns(["trust"])
    pq.write_table(older.append_column("age", [[31]]), parquet)
    (face,) = read_records(parquet).frames[0]["faces"]
    assert (face["age"], "trust" in face) == (31, False)


@pytest.mark.parametrize("suffix", FORMATS)
def test_frames_can_be_counted_indexed_and_read_twice(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    results = some_results()
    with closing(open_records(path, header())) as writer:
        for result in results:
            writer.write(result)
    frames = read_records(path).frames
    expected = [result.to_dict() for result in results]
    assert len(frames) == len(expected)
    assert list(frames) == list(frames) == expected
    assert (frames[0], frames[2], frames[-1]) == (expected[0], expected[2], expected[-1])
    assert frames[1:3] == expected[1:3]
    for index in (len(expected), -len(expected) - 1):
        with pytest.raises(IndexError):
            frames[index]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_has_one_row_per_face_whatever_the_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    with closing(open_records(path, header())) as writer:
        writer.write(make_result(0, faces=2))
        writer.write(make_result(1, faces=0))
    records = read_records(path)
    table = records.to_table()
    assert table["frame"].to_pylist() == [0, 0, 1]
    assert table["track"].to_pylist() == [1, 2, None]
    assert table["probs"].to_pylist()[0][3] == 0.7
    assert records.to_table(["time_s", "emotion"]).to_pylist()[1] == {
        "time_s": 0.0,
        "emotion": "happy",
    }
    with pytest.raises(ConfigError, match="no column 'mood'; there are stream, frame"):
        records.to_table(["mood"])


def test_segments_and_formats_are_read_one_after_the_other(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with closing(open_records(path, header())) as writer:
        for index in range(3):
            writer.event(StreamEvent("talk", "opened", float(index)))
            writer.write(make_result(index))
            writer.roll()
    other = tmp_path / "other.parquet"
    with closing(open_records(other, header("other"))) as writer:
        writer.write(make_result(7, stream="other"))
    assert [f["frame"] for f in read_records(path).frames] == [0]
    assert [f["frame"] for f in read_records(path, segments=True).frames] == [0, 1, 2]
    (tmp_path / "talk.1.jsonl").rename(tmp_path / "talk.11.jsonl")  # a number may be missing
    (tmp_path / "talk.2.jsonl").rename(tmp_path / "talk.12.jsonl")
    (tmp_path / "talk.3.jsonl").rename(tmp_path / "talk.101.jsonl")
    both = read_records(str(path), other, segments=True)
    assert [f["frame"] for f in both.frames] == [0, 1, 2, 7]
    assert [e["time_s"] for e in both.events] == [0.0, 1.0, 2.0]
    assert [s["stream"] for s in both.header["streams"]] == ["talk", "other"]
    assert both.to_table()["stream"].to_pylist() == ["talk"] * 3 + ["other"]


def test_files_with_other_labels_cannot_be_joined(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "a.jsonl")
    two = tmp_path / "b.jsonl"
    two.write_text(json.dumps(header().to_json() | {"labels": ["yes", "no"]}) + "\n")
    with pytest.raises(SourceError, match=r"b\.jsonl: has other labels than"):
        read_records(one, two)
    with pytest.raises(ConfigError, match="name a records file"):
        read_records()


@pytest.mark.parametrize("suffix", [".jsonl", ".csv"])
def test_a_last_line_cut_anywhere_is_passed_over(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    with closing(open_records(path, header('a "ü"\n'))) as writer:
        for index in range(3):
            writer.write(make_result(index, stream='a "ü"\n'))
    whole = path.read_bytes()
    start = whole[:-1].rfind(b'"a ""' if suffix == ".csv" else b'\n{"stream')
    for cut in range(1 + start, len(whole)):
        path.write_bytes(whole[:cut])
        assert [f["frame"] for f in read_records(path).frames] == [0, 1]


def test_damage_is_reported_when_it_is_reached(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl", frame(0), frame(1))
    path.write_text(path.read_text() + "no json\n")
    records = read_records(path)
    assert records.frames[1]["frame"] == 1
    with pytest.raises(SourceError, match=r"r\.jsonl: cannot read the records \(line 4 is not"):
        list(records.frames)


def test_the_word_event_in_a_name_makes_no_event(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "r.jsonl",
        frame(0, stream='an "event"'),
        {"stream": "talk", "event": "opened", "time_s": 0.0},
    )
    records = read_records(path)
    assert [e["event"] for e in records.events] == ["opened"]
    assert len(records.frames) == 1


def test_long_records_are_never_whole_in_memory(tmp_path: Path) -> None:
    faces = [OLD_FACE | {"track": track} for track in range(1, 21)]
    path = write_lines(tmp_path / "r.jsonl", *(frame(index, *faces) for index in range(1000)))
    tracemalloc.start()
    try:
        assert sum(len(f["faces"]) for f in read_records(path).frames) == 20_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 10


@pytest.mark.parametrize("package", ["pandas", "pyarrow"])
def test_a_package_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    records = read_records(write_lines(tmp_path / "r.jsonl", frame(0)))
    monkeypatch.setitem(sys.modules, package, None)
    ask = records.to_pandas if package == "pandas" else records.to_table
    with pytest.raises(ConfigError, match=f"needs {package}; type: pip install {package}"):
        ask()


def test_a_data_frame_has_the_tables_columns(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    records = read_records(write_lines(tmp_path / "r.jsonl", frame(0, OLD_FACE)))
    assert records.to_pandas()["emotion"].tolist() == ["happy"]


def test_a_table_without_its_header_names_what_is_missing(tmp_path: Path) -> None:
    table = tmp_path / "r.csv"
    table.write_text("frame,time_s\n")
    with pytest.raises(SourceError, match=r"r\.csv\.header\.json: cannot read the records"):
        read_records(table)
