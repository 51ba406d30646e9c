from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from streamfer.labels import LABELS
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.parquet import journal_path
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import open_records
from streamfer.types import FrameResult, StreamEvent, StreamInfo
from tests.support.analysed import make_face, make_frame, make_result
from tests.support.record_files import FORMATS, header, some_results


def written(folder: Path, *results: FrameResult) -> list[dict[str, Any]]:
    """The lines of a JSONL file of results, the header first."""
    path = folder / "talk.jsonl"
    with closing(open_records(path, header())) as records:
        for result in results:
            records.write(result)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_made_once_for_all_who_read_it() -> None:
    result = some_results()[0]
    assert result.record is result.record
    assert result.record == result.to_dict()
    assert result.to_dict() is not result.record


def test_the_header_says_exactly_what_the_schema_says(tmp_path: Path) -> None:
    assert written(tmp_path) == [
        {
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
    ]


def test_a_line_says_exactly_what_the_schema_says(tmp_path: Path) -> None:
    _, line = written(tmp_path, make_result(0, faces=1))
    assert line == {
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
    assert list(line) == ["stream", "frame", "time_s", "dropped", "faces"]


def test_lines_tell_of_drops_and_of_refined_faces(tmp_path: Path) -> None:
    with_latent = make_face(
        latent_kind="refined", reconstruction_error=0.03149999, refined_age_s=1.5, trust=0.92
    )
    later = FrameResult(make_frame(12, dropped=3), (with_latent,))
    lines = written(tmp_path, make_result(0, faces=1), later, make_result(13, faces=0))
    assert lines[2]["frame"] == 12
    assert lines[2]["dropped"] == 3
    face = lines[2]["faces"][0]
    assert (face["latent"], face["refined_age_s"], face["trust"]) == ("refined", 1.5, 0.92)
    assert face["reconstruction_error"] == 0.0315
    assert lines[3]["faces"] == []


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


def test_a_camera_s_next_file_carries_the_time_of_its_first_frame(tmp_path: Path) -> None:
    camera = StreamInfo("cam", "camera:0", 96, 64, live=True)
    frame = replace(make_result(5, stream="cam").frame, wall="2026-11-28T14:22:00.5+00:00")
    claims = OutputClaims(clock=lambda: datetime(2026, 11, 28, 14, 22, 1, tzinfo=UTC))
    path = tmp_path / "cam.jsonl"
    with closing(open_records(path, replace(header(), streams=(camera,)), claims)) as records:
        records.roll(frame)
    assert (tmp_path / "cam.20261128T142200Z.jsonl").exists()


def test_reading_and_writing_jsonl_does_not_load_pyarrow() -> None:
    program = "import sys, streamfer.media.records.writer; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
