"""`--records` with `{stream}`: a file for every stream."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.media.records.reader import read_records
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import record_lines, streamfer

Capture = pytest.CaptureFixture[str]


def two_clips(folder: Path) -> list[Path]:
    return [
        make_clip(folder / f"{name}.mp4", ClipSpec(frames=frames))
        for name, frames in (("a", 30), ("b", 55))
    ]


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_every_stream_has_its_own_file_and_header(
    capfd: Capture, tmp_path: Path, suffix: str
) -> None:
    template = tmp_path / "out" / f"{{stream}}{suffix}"
    ended = streamfer(capfd, "run", *two_clips(tmp_path), "--records", template, "--no-refine")
    assert ended.code == 0
    for name, frames in (("a", 30), ("b", 55)):
        path = tmp_path / "out" / f"{name}{suffix}"
        records = read_records(path)
        assert [frame["frame"] for frame in records.frames] == list(range(frames))
        assert {frame["stream"] for frame in records.frames} == {name}
        assert [stream["stream"] for stream in records.header["streams"]] == [name]
        assert f"wrote {path}" in ended.out
    assert "{stream}" not in ended.out


def test_they_roll_over_with_the_run(capfd: Capture, tmp_path: Path) -> None:
    streamfer(
        capfd, "run", *two_clips(tmp_path), "--records", tmp_path / "{stream}.jsonl",
        "--segment", 1, "--no-refine",
    )  # fmt: skip
    for name, frames in (("a", 30), ("b", 55)):
        records = read_records(tmp_path / f"{name}.jsonl", segments=True)
        assert [frame["frame"] for frame in records.frames] == list(range(frames))
        assert (tmp_path / f"{name}.1.jsonl").exists()


def test_what_is_complete_is_left_as_it_is(capfd: Capture, tmp_path: Path) -> None:
    clips = two_clips(tmp_path)
    options = ["--output", tmp_path / "{stream}.out.mp4", "--records", tmp_path / "{stream}.jsonl"]
    assert streamfer(capfd, "run", *clips, *options, "--no-refine").code == 0
    before = (tmp_path / "a.jsonl").stat().st_mtime_ns
    (tmp_path / "b.jsonl").unlink()
    ended = streamfer(capfd, "run", *clips, *options, "--no-refine", "--skip-existing")
    assert ended.code == 0
    assert (tmp_path / "a.jsonl").stat().st_mtime_ns == before
    assert len(record_lines(tmp_path / "b.jsonl")) == 56


def test_a_source_that_fails_doesnt_take_the_others_files(capfd: Capture, tmp_path: Path) -> None:
    clips = two_clips(tmp_path)
    broken = tmp_path / "c.mp4"
    broken.write_bytes(b"no video")
    ended = streamfer(
        capfd, "run", *clips, broken, "--records", tmp_path / "{stream}.jsonl", "--no-refine"
    )
    assert ended.code == 3
    assert len(record_lines(tmp_path / "a.jsonl")) == 31
    assert len(record_lines(tmp_path / "b.jsonl")) == 56
