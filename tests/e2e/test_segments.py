"""`--segment` on whole runs."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from streamfer import analyze, read_records
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


def test_the_same_command_again_makes_a_run_of_its_own(capfd: Capture, tmp_path: Path) -> None:
    records = tmp_path / "r.jsonl"
    clip = make_clip(tmp_path / "clip.mp4", ClipSpec(frames=60))
    for _ in range(2):
        assert streamfer(capfd, "run", clip, "--segment", 1, "--records", records).code == 0
    runs = [record_lines(tmp_path / f"r{part}.jsonl")[0]["run"] for part in ("", ".3", ".4")]
    assert len(set(runs)) == 1
    stale = [record_lines(tmp_path / f"r{part}.jsonl")[0]["run"] for part in (".1", ".2")]
    assert len(set(stale) - set(runs)) == 1
    read = read_records(records, segments=True)
    assert [frame["frame"] for frame in read.frames] == list(range(60))
    wanted = [frame_records(tmp_path / f"r{part}.jsonl") for part in ("", ".3", ".4")]
    assert list(read.frames) == [frame for part in wanted for frame in part]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_all_files_of_a_run_name_it(capfd: Capture, tmp_path: Path, suffix: str) -> None:
    clips = [make_clip(tmp_path / f"{name}.mp4", ClipSpec(frames=30)) for name in "ab"]
    records = tmp_path / f"{{stream}}{suffix}"
    ended = streamfer(capfd, "run", *clips, "--segment", 1, "--records", records)
    assert ended.code == 0
    names = [f"{name}{part}{suffix}" for name in "ab" for part in ("", ".1")]
    (run,) = {read_records(tmp_path / name).header["run"] for name in names}
    assert len(run) == 16
