from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from streamfer.media.files.output_path import segment_path
from streamfer.media.sources.file import FileSource
from streamfer.media.verify.whole import WholeInput
from tests.support.clips import ClipSpec, make_clip
from tests.support.shared import shared_file
from tests.support.written import copy_stream

MPEG2 = {"codec": "mpeg2video", "fps": Fraction(25)}
KINDS = {
    "a.mp4": ClipSpec(frames=30),
    "a.mov": ClipSpec(frames=30),
    "a.mkv": ClipSpec(frames=30, options={"bf": "2"}),
    "a.webm": ClipSpec(frames=30, codec="libvpx"),
    "a.avi": ClipSpec(frames=30, codec="mpeg4"),
    "a.ts": ClipSpec(frames=30, options={"bf": "2"}),
    "a.m2ts": ClipSpec(frames=30, container="mpegts", audio="mp2"),
    "a.mpg": ClipSpec(frames=30, container="mpeg", audio="mp2", **MPEG2),
    "a.vob": ClipSpec(frames=30, container="vob", audio="ac3", **MPEG2),
    "a.flv": ClipSpec(frames=30, codec="flv1"),
    "a.h264": ClipSpec(frames=30, container="h264"),
    "a.m2v": ClipSpec(frames=30, container="mpeg2video", **MPEG2),
    "a.mjpeg": ClipSpec(frames=30, codec="mjpeg", pix_fmt="yuvj420p", container="mjpeg"),
    "jumps.mkv": ClipSpec(frames=5, pts=[0, 40, 41, 5000, 5040], time_base=Fraction(1, 1000)),
    "late.ts": ClipSpec(frames=12, pts=range(900, 912), time_base=Fraction(1, 25)),
    "one.mp4": ClipSpec(frames=1),
    "one.png": ClipSpec(frames=1, codec="png", pix_fmt="rgb24", container="image2"),
}


def counts(source: Path) -> tuple[int, float]:
    """What complete records say of a file."""
    player = FileSource(source, "talk")
    player.open()
    times = [frame.time_s for frame in player.frames()]
    player.close()
    return len(times), round(times[-1], 6)


def check(source: Path, folder: Path, suffix: str = ".mp4") -> None:
    whole, output = WholeInput(source), folder / f"out{suffix}"
    frames, last_s = counts(source)
    copy_stream(source, output, audio=None)
    assert whole.is_in_video(output)
    assert whole.is_counted(frames, last_s)
    assert not whole.is_counted(1 if frames > 1 else 0, 0.0)
    assert not whole.is_counted(frames + 1, last_s)
    assert not whole.is_counted(frames, last_s + 0.04)
    if frames > 1:
        for stop_after in (1, frames - 1):
            copy_stream(source, output, audio=None, stop_after=stop_after)
            assert not whole.is_in_video(output)


@pytest.mark.parametrize("name", KINDS)
def test_whole_and_cut_outputs_are_told_apart_for_every_container(
    name: str, tmp_path: Path
) -> None:
    check(make_clip(tmp_path / name, KINDS[name]), tmp_path)


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_so_are_outputs_in_every_container(suffix: str, tmp_path: Path) -> None:
    check(make_clip(tmp_path / "a.ts", ClipSpec(frames=20)), tmp_path, suffix)


@pytest.mark.parametrize("name", ["camcorder.mts", "clock_wraps.ts"])
def test_so_are_those_of_recorders(name: str, tmp_path: Path) -> None:
    check(shared_file(f"cases/{name}"), tmp_path)


@pytest.fixture
def resized(tmp_path: Path) -> Path:
    """A file whose picture changes its size twice."""
    parts = [
        make_clip(tmp_path / f"{i}.ts", ClipSpec(frames=10 + i, size=size)).read_bytes()
        for i, size in enumerate([(96, 64), (64, 96), (96, 64)])
    ]
    path = tmp_path / "resized.ts"
    path.write_bytes(b"".join(parts))
    return path


def test_a_split_output_needs_all_of_its_parts(resized: Path, tmp_path: Path) -> None:
    output = tmp_path / "split.mp4"
    writer = copy_stream(resized, output)
    assert len(writer.paths) == 3
    whole = WholeInput(resized)
    assert whole.is_in_video(output)
    assert whole.is_counted(*counts(resized))
    kept = segment_path(output, 2).read_bytes()
    make_clip(segment_path(output, 2), ClipSpec(frames=3))
    assert not whole.is_in_video(output)
    segment_path(output, 2).unlink()
    assert not whole.is_in_video(output)
    segment_path(output, 2).write_bytes(kept)
    assert whole.is_in_video(output)


def test_parts_that_stepped_over_strangers_are_found(resized: Path, tmp_path: Path) -> None:
    output = tmp_path / "split.mp4"
    make_clip(segment_path(output, 1), ClipSpec(frames=2))
    segment_path(output, 3).write_bytes(b"no video")
    writer = copy_stream(resized, output)
    assert [path.name for path in writer.paths] == ["split.mp4", "split.2.mp4", "split.4.mp4"]
    assert WholeInput(resized).is_in_video(output)
    segment_path(output, 1).unlink()
    segment_path(output, 3).unlink()
    assert WholeInput(resized).is_in_video(output)


def test_what_is_no_video_is_not_complete(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", ClipSpec(frames=4))
    whole = WholeInput(source)
    assert not whole.is_in_video(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("text")
    assert not whole.is_in_video(tmp_path / "text.mp4")
    output = copy_stream(source, tmp_path / "out.mp4").paths[0]
    output.write_bytes(output.read_bytes()[:-200])
    assert not whole.is_in_video(output)


def test_a_damaged_input_is_never_done(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", ClipSpec(frames=30))
    output = copy_stream(source, tmp_path / "out.mp4").paths[0]
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    assert not WholeInput(source).is_in_video(output)
