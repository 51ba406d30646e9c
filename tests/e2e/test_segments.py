"""`--segment` on whole runs."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamfer import analyze
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import frame_records, record_lines, streamfer

Capture = pytest.CaptureFixture[str]


def frame_count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_the_python_interface_rolls_over_too(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=30))
    options = {"segment": 1.0, "records": tmp_path / "out.jsonl", "refine": False}
    assert len(list(analyze(str(clip), **options))) == 30
    counts = [len(frame_records(tmp_path / name)) for name in ("out.jsonl", "out.1.jsonl")]
    assert counts == [25, 5]


def test_video_and_records_roll_over_together(capfd: Capture, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=70))
    ended = streamfer(
        capfd, "run", clip, "--segment", 1, "--output", tmp_path / "out.mp4",
        "--records", tmp_path / "out.jsonl",
    )  # fmt: skip
    assert ended.code == 0
    parts = ["", ".1", ".2"]
    assert [frame_count(tmp_path / f"out{part}.mp4") for part in parts] == [25, 25, 20]
    records = [tmp_path / f"out{part}.jsonl" for part in parts]
    assert [len(frame_records(path)) for path in records] == [25, 25, 20]
    assert all(record_lines(path)[0]["schema"] == "streamfer.records/1" for path in records)
    indices = [record["frame"] for path in records for record in frame_records(path)]
    assert indices == list(range(70))
    assert not (tmp_path / "out.3.mp4").exists()
