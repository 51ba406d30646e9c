from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from streamfer.errors import SourceError
from streamfer.media.file_source import FileSource
from streamfer.media.playback import PlaybackOptions
from streamfer.media.source import PendingFrame
from tests.support.clips import ClipSpec, make_clip, read_number
from tests.support.shared import shared_file


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", ClipSpec(frames=20, audio="aac"))


def play(path: Path, options: PlaybackOptions | None = None) -> Iterator[PendingFrame]:
    source = FileSource(path, "clip", options, clock=lambda: 0.0)
    try:
        source.open()
        yield from source.frames()
    finally:
        source.close()


def numbers(frames: Iterator[PendingFrame]) -> list[int]:
    return [read_number(frame.picture.to_rgb()) for frame in frames]


def test_every_frame_once_in_order(clip: Path) -> None:
    frames = list(play(clip))
    assert numbers(iter(frames)) == list(range(20))
    assert [f.index for f in frames] == list(range(20))
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(20)])


def test_benchmark_clip_cut_in_half(tmp_path: Path) -> None:
    whole = shared_file("media/WolfgangLanger_Pexels.mp4").read_bytes()
    half = tmp_path / "half.mp4"
    half.write_bytes(whole[: len(whole) // 2])
    decoded = []
    with pytest.raises(SourceError, match="after frame 228 of 472"):
        decoded.extend(play(half))
    assert len(decoded) == 228
