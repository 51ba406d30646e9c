"""No run destroys an input, another output, or a file that nobody named."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip
from tests.support.http_server import http_server, mjpeg
from tests.support.program import frame_records, streamfer

Capture = pytest.CaptureFixture[str]
SECONDS = ClipSpec(frames=25, fps=Fraction(10))  # 2.5 s


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.glob(pattern))


def test_a_continuation_never_lands_on_its_input(capfd: Capture, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "cam.1.mp4", SECONDS)
    records = tmp_path / "r.jsonl"
    (tmp_path / "r.3.jsonl").write_text("mine")
    before = contents(tmp_path)
    ended = streamfer(
        capfd, "run", clip, "--output", tmp_path / "cam.mp4", "--records", records,
        "--subtitles", tmp_path / "s.srt", "--segment", 1,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert before.items() <= contents(tmp_path).items()
    assert names(tmp_path, "cam.*mp4") == ["cam.1.mp4", "cam.2.mp4", "cam.4.mp4", "cam.mp4"]
    assert names(tmp_path, "s*srt") == ["s.2.srt", "s.4.srt", "s.srt"]
    assert [len(frame_records(tmp_path / f"r{n}.jsonl")) for n in ("", ".2", ".4")] == [10, 10, 5]
    assert "no part of it, from before this run: r.3.jsonl" in ended.out
    assert f"wrote {tmp_path / 'r.4.jsonl'}" in ended.out.splitlines()


def test_streams_summary_and_pictures_keep_out_of_each_other_s_way(
    capfd: Capture, tmp_path: Path
) -> None:
    inputs, out = tmp_path / "in", tmp_path / "out"
    inputs.mkdir()
    make_clip(inputs / "a.mp4", SECONDS)
    make_clip(inputs / "a.1.mp4", SECONDS)
    picture = out / "a-00000.00.png"
    out.mkdir()
    picture.write_bytes(b"a photograph")
    summary = out / "a.2.mp4"
    ended = streamfer(
        capfd, "run", inputs, "--output", out / "{stream}.mp4", "--segment", 1,
        "--records", out / "{stream}.csv", "--json-summary", summary,
        "--snapshot-every", 2, "--snapshot-dir", out,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert summary.read_text().startswith("{")
    assert picture.read_bytes() == b"a photograph"
    videos = {p.name for p in out.glob("*.mp4")} - {summary.name}
    assert videos == {
        "a.mp4", "a.1.mp4", "a.3.mp4", "a.4.mp4", "a.1.1.mp4", "a.1.2.mp4",
    }  # fmt: skip
    assert {p.name for p in out.glob("*.csv")} == {name.replace("mp4", "csv") for name in videos}


def test_a_filter_graph_s_file_is_an_input(capfd: Capture, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", SECONDS)
    before = clip.read_bytes()
    ended = streamfer(capfd, "run", f"lavfi:movie={clip}", "--output", clip)
    assert ended.code == 2
    assert "is the input" in ended.complaint
    assert clip.read_bytes() == before


def camera() -> Iterator[UInt8Array]:
    for level in count():  # until the client hangs up
        yield np.full((48, 64, 3), level % 256, dtype=np.uint8)


def test_a_restarted_recording_replaces_nothing(capfd: Capture, tmp_path: Path) -> None:
    runs: list[dict[str, bytes]] = [{}]
    with http_server({"/cam": mjpeg(camera)}) as base:
        for _ in range(2):
            ended = streamfer(
                capfd, "run", f"{base}/cam", "--max-reconnects", 0, "--drop", "never",
                "--output", tmp_path / "cam.mp4", "--records", tmp_path / "cam.jsonl",
                "--latents", tmp_path / "cam.parquet", "--segment", 1, "--max-frames", 40,
                "--snapshot-every", 0.5, "--snapshot-dir", tmp_path / "shots",
            )  # fmt: skip
            assert ended.code == 0, ended.err
            runs.append(contents(tmp_path))
            assert runs[-2].items() < runs[-1].items()
    stamp = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z"
    videos, records = names(tmp_path, f"cam.{stamp}*mp4"), names(tmp_path, f"cam.{stamp}*jsonl")
    assert len(videos) == len(names(tmp_path, "*.mp4")) >= 2
    assert len(records) == len(names(tmp_path, "*.jsonl")) >= 2
    assert len(names(tmp_path, "cam*.parquet")) == 2
    assert names(tmp_path / "shots", "*") == names(tmp_path / "shots", f"*.{stamp}*png")


def test_each_of_several_files_and_rounds_has_segments_of_its_own(
    capfd: Capture, tmp_path: Path
) -> None:
    inputs = tmp_path / "in"
    inputs.mkdir()
    for name in "ab":
        make_clip(inputs / f"{name}.mp4", SECONDS)
    ended = streamfer(
        capfd, "run", inputs, "--output", tmp_path / "{stream}.mp4", "--segment", 2,
        "--loop", 2, "--concurrent-files", 1,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert names(tmp_path, "*.mp4") == [f"{n}{part}.mp4" for n in "ab" for part in (".1", ".2", "")]
