from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.parquet import complete_journal, journal_path
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import ModelInfo, RecordHeader, open_records
from streamfer.types import FrameResult, StreamEvent, StreamInfo
from tests.support.analysed import make_face, make_frame, make_result
from tests.support.unwritable import TROUBLES, make_unwritable

FORMATS = (".jsonl", ".csv", ".parquet")


def header(*streams: str) -> RecordHeader:
    return RecordHeader(
        streams=tuple(
            StreamInfo(name, f"{name}.mp4", 64, 48, live=False) for name in streams or ("talk",)
        ),
        labels=LABELS,
        label_set="ferplus",
        detector=ModelInfo("centerface", "ab12"),
        face=ModelInfo("vgg", "cd34"),
        backend="onnxruntime",
        version="0.1.0",
    )


def test_jsonl_says_exactly_what_the_schema_says(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with_latent = make_face(
        latent_kind="refined", reconstruction_error=0.03149999, refined_age_s=1.5, trust=0.92
    )
    with closing(open_records(path, header())) as records:
        records.write(make_result(0, faces=1))
        records.write(FrameResult(make_frame(12, dropped=3), (with_latent,)))
        records.write(make_result(13, faces=0))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {
        "schema": "streamfer.records/1",
        "streams": [
            {"stream": "talk", "source": "talk.mp4", "width": 64, "height": 48, "live": False}
        ],
        "labels": list(LABELS),
        "label_set": "ferplus",
        "models": {
            "detector": {"name": "centerface", "sha256": "ab12"},
            "face": {"name": "vgg", "sha256": "cd34"},
        },
        "backend": "onnxruntime",
        "streamfer": "0.1.0",
    }
    assert lines[1] == {
        "stream": "talk",
        "frame": 0,
        "time_s": 0.0,
        "dropped": 0,
        "faces": [
            {
                "track": 1,
                "box": [10.13, 8.0, 30.0, 28.0],
                "score": 0.998,
                "landmarks": [[15, 14], [25, 14], [20, 18], [16, 23], [24, 23.33]],
                "emotion": "happy",
                "probs": [0.01, 0.02, 0.03, 0.7, 0.04, 0.1, 0.1],
                "smoothed": [0.02, 0.01, 0.03, 0.7, 0.04, 0.1, 0.1],
                "latent": None,
                "reconstruction_error": None,
                "refined_age_s": None,
                "trust": None,
            }
        ],
    }
    assert list(lines[1]) == ["stream", "frame", "time_s", "dropped", "faces"]
    assert lines[2]["frame"] == 12
    assert lines[2]["dropped"] == 3
    face = lines[2]["faces"][0]
    assert (face["latent"], face["refined_age_s"], face["trust"]) == ("refined", 1.5, 0.92)
    assert face["reconstruction_error"] == 0.0315
    assert lines[3]["faces"] == []


def some_results() -> list[FrameResult]:
    refined = make_face(
        2, latent_kind="refined", reconstruction_error=0.0315, refined_age_s=1.5, trust=0.92
    )
    return [
        make_result(0, faces=0),
        make_result(1, faces=2),
        FrameResult(make_frame(4, dropped=2), (make_face(), refined)),
        make_result(0, stream='odd, "name"\n', wall="2026-01-01T00:00:00+00:00"),
        make_result(5, faces=0),
    ]


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_back_the_same_records(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    event = StreamEvent("talk", "opened", 0.0, details={"width": 64, "height": 48})
    results = some_results()
    with closing(open_records(path, header())) as records:
        records.event(event)
        for result in results:
            records.write(result)
    back = read_records(path)
    assert back.header == header().to_json()
    assert back.frames == [result.to_dict() for result in results]
    assert back.events == [
        {"stream": "talk", "event": "opened", "time_s": 0.0, "width": 64, "height": 48}
    ]


def test_csv_has_one_row_per_face_and_one_of_nulls_without(tmp_path: Path) -> None:
    path = tmp_path / "talk.csv"
    with closing(open_records(path, header())) as records:
        records.write(make_result(0, faces=2))
        records.write(make_result(1, faces=0))
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["track"]) for row in rows] == [("0", "1"), ("0", "2"), ("1", "")]
    assert rows[0]["box_x1"] == "10.13"
    assert rows[0]["landmark_nose_y"] == "18.0"
    assert rows[0]["prob_happy"] == "0.7"
    assert rows[0]["smoothed_disgust"] == "0.01"
    assert {name for name, cell in rows[2].items() if cell} == {
        "stream",
        "frame",
        "time_s",
        "dropped",
    }
    assert json.loads((tmp_path / "talk.csv.header.json").read_text()) == header().to_json()
    assert not (tmp_path / "talk.csv.events.jsonl").exists()


def test_parquet_has_one_row_per_face_and_no_journal_left(tmp_path: Path) -> None:
    path = tmp_path / "talk.parquet"
    with closing(open_records(path, header())) as records:
        records.write(make_result(0, faces=2))
        records.write(make_result(1, faces=0))
    table = pq.read_table(path)
    assert table["track"].to_pylist() == [1, 2, None]
    assert table["probs"].to_pylist()[0][3] == 0.7
    assert table["landmarks"].to_pylist()[0][0] == [15, 14]
    assert table["box"].to_pylist()[2] is None
    assert not journal_path(path).exists()


WRITE_UNTIL_KILLED = """
import os, signal
from pathlib import Path
from streamfer.media.records.writer import open_records
from tests.media.records.test_writer import header
from tests.support.analysed import make_result
records = open_records(Path({path!r}), header())
for index in range(100):
    records.write(make_result(index, faces=index % 3))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_killed_run_leaves_every_record(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    program = WRITE_UNTIL_KILLED.format(path=str(path))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    before = read_records(path)
    frames = list(before.frames)
    assert [frame["frame"] for frame in frames] == list(range(100))
    if suffix == ".parquet":
        assert complete_journal(path)
        assert not complete_journal(path)
        assert pq.read_table(path)["frame"].to_pylist()[-1] == 99
        assert read_records(path).header == before.header
        assert read_records(path).frames == frames


def test_threads_never_mix_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "all.jsonl"
    names = [f"stream-{i}" for i in range(6)]
    with closing(open_records(path, header(*names))) as records:

        def write(name: str) -> None:
            for index in range(50):
                records.write(make_result(index, faces=2, stream=name))

        threads = [threading.Thread(target=write, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    frames = read_records(path).frames
    for name in names:
        assert [f["frame"] for f in frames if f["stream"] == name] == list(range(50))


@pytest.mark.parametrize("suffix", FORMATS)
def test_rolling_goes_on_in_a_new_file_with_its_own_header(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    with closing(open_records(path, header())) as records:
        records.write(make_result(0))
        records.roll()
        records.write(make_result(1))
    second = read_records(tmp_path / f"talk.1{suffix}")
    assert [f["frame"] for f in read_records(path).frames] == [0]
    assert [f["frame"] for f in second.frames] == [1]
    assert second.header == header().to_json()


def test_a_file_begun_after_a_camera_came_up_states_its_size(tmp_path: Path) -> None:
    path = tmp_path / "cam.jsonl"
    camera = StreamInfo("cam", "camera:0", None, None, live=True)
    clock = iter(datetime(2026, 11, 28, 14, 22, second, tzinfo=UTC) for second in range(9))
    claims = OutputClaims(clock=lambda: next(clock))
    with closing(open_records(path, replace(header(), streams=(camera,)), claims)) as records:
        records.event(StreamEvent("cam", "opened", 0.0, details={"width": 640, "height": 360}))
        records.roll()
    sizes = [
        (stream["width"], stream["height"])
        for name in ("cam.jsonl", "cam.20261128T142200Z.jsonl")
        for stream in read_records(tmp_path / name).header["streams"]
    ]
    assert sizes == [(None, None), (640, 360)]


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_existing_file_is_replaced_with_all_that_belongs_to_it(
    tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"talk{suffix}"
    for events in (1, 0):
        with closing(open_records(path, header())) as records:
            for _ in range(events):
                records.event(StreamEvent("talk", "error", 1.0))
    assert read_records(path).events == []


@pytest.mark.parametrize("name", ["talk.json", "talk", "talk.mp4"])
def test_an_unknown_format_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"\.jsonl, \.csv, \.parquet"):
        open_records(tmp_path / name, header())


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_path_that_cannot_be_written_is_one_line(
    tmp_path: Path, suffix: str, trouble: str
) -> None:
    path = tmp_path / "out" / f"talk{suffix}"
    make_unwritable(path, trouble)
    with pytest.raises(OutputError) as caught:
        write_and_close(path)
    assert str(caught.value).startswith(f"{path}: cannot write the records (")
    assert "\n" not in str(caught.value)


def write_and_close(path: Path) -> None:
    with closing(open_records(path, header())) as records:
        records.write(make_result(0))


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    program = f"""
import resource, signal
from pathlib import Path
from streamfer.errors import OutputError
from streamfer.media.records.writer import open_records
from tests.media.records.test_writer import header
from tests.support.analysed import make_result
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
records = open_records(Path({str(path)!r}), header())
try:
    for index in range(1000):
        records.write(make_result(index))
except OutputError as error:
    records.close()
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"{path}: cannot write the records (File too large)"
    assert path.read_text().endswith("\n")
    frames = read_records(path).frames
    assert len(frames) > 20
    assert [frame["frame"] for frame in frames] == list(range(len(frames)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("talk.jsonl", ""),
        ("talk.jsonl", "not json\n"),
        ("talk.jsonl", '{"schema":"streamfer.records/1"}\n[1]\n'),
        ("talk.jsonl", '{"frame":1}\n'),
        ("talk.jsonl", "\xff\xfe\n"),
        ("talk.csv", "a,b\n1,2\n"),
        ("talk.parquet", "PAR1"),
        ("talk.jsonl", None),
    ],
)
def test_what_is_no_records_file_is_one_line(tmp_path: Path, name: str, text: str | None) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, "latin-1")
    with pytest.raises(SourceError) as caught:
        list(read_records(path).frames)
    assert str(caught.value).startswith(f"{path}: cannot read the records (")
    assert "\n" not in str(caught.value)


def test_an_unfinished_last_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    with closing(open_records(path, header())) as records:
        records.write(make_result(0))
    with path.open("a") as file:
        file.write('{"stream":"ta')
    assert [frame["frame"] for frame in read_records(path).frames] == [0]


def test_writing_after_the_end_is_ignored_and_closing_twice_is_fine(tmp_path: Path) -> None:
    path = tmp_path / "talk.jsonl"
    records = open_records(path, header())
    records.close()
    records.write(make_result(0))
    records.close()
    assert read_records(path).frames == []


def test_reading_and_writing_jsonl_does_not_load_pyarrow() -> None:
    program = "import sys, streamfer.media.records.writer; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
