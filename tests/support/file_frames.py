"""What a file plays, frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from streamfer.media.sources.file import FileSource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.source import PendingFrame
from tests.support.clips import read_number


def play(path: Path, options: PlaybackOptions | None = None) -> Iterator[PendingFrame]:
    source = FileSource(path, "clip", options, clock=lambda: 0.0)
    try:
        source.open()
        yield from source.frames()
    finally:
        source.close()


def numbers(frames: list[PendingFrame]) -> list[int]:
    return [read_number(frame.picture.to_rgb()) for frame in frames]


def times(frames: list[PendingFrame]) -> list[float]:
    return [round(frame.time_s, 3) for frame in frames]
