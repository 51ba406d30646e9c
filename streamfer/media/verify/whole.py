"""Whether an earlier run's outputs hold all of an input, so that it need not be analysed again.

The truth is what the input's decoder gives, by the one rule for times, and no picture need be
converted or analysed for that. Where the container's packets already have the very times of the
annotated video, the input is only read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.errors import SourceError
from streamfer.media.files.output_path import continuations
from streamfer.media.sources.completeness import missing_bytes
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.media_file import open_media_file, video_stream
from streamfer.media.video.picture_file import is_picture_path

_TOLERANCE_S = 0.002
"""Rounding of times between two containers."""

Times = list[float]


class WholeInput:
    """How much an input holds; it is decoded at most once, and only if it must be.

    Args:
        path: of the input.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._packets: Times | None = None
        self._segments: list[Times] | None = None

    def is_in_annotated(self, output: Path) -> bool:
        """Whether an annotated video or picture shows all of it."""
        if is_picture_path(output):
            size_wh = _picture_size(output)
            return size_wh is not None and size_wh == _picture_size(self._path)
        return self.is_in_video(output)

    def is_in_video(self, output: Path) -> bool:
        """Whether an annotated video, with its continuations, has every frame at its time."""
        written = _packet_times(output)
        if not written:
            return False
        listed = self._listed()
        if listed and _same(_moved(listed, first=True), written):
            return True
        segments = self._decoded()
        if not segments or not _same(_moved(segments[0], first=True), written):
            return False
        number = 1
        for times in segments[1:]:
            found = _find_part(output, number, _moved(times, first=False))
            if found is None:
                return False
            number = found + 1
        return True

    def is_counted(self, frames: int, last_s: float) -> bool:
        """Whether so many analysed frames, the last at this time, are all there are."""
        if _ends_like(self._listed(), frames, last_s):
            return True
        decoded = [time_s for segment in self._decoded() for time_s in segment]
        return _ends_like(decoded, frames, last_s)

    def _listed(self) -> Times:
        """The times of every frame as the container lists them, which need not be true."""
        if self._packets is None:
            self._packets = _packet_times(self._path)
        return self._packets

    def _decoded(self) -> list[Times]:
        """The times of every frame, by picture size; empty where the input is damaged."""
        if self._segments is None:
            self._segments = _decoded_times(self._path)
        return self._segments


def _decoded_times(path: Path) -> list[Times]:
    segments: list[Times] = []
    number = -1
    try:
        with closing(FileSource(path, path.stem)) as source:
            source.open()
            for frame in source.frames():
                if frame.segment != number:
                    number = frame.segment
                    segments.append([])
                segments[-1].append(float(frame.pts * frame.time_base))
    except SourceError:  # the run will say so
        return []
    return segments


def _picture_size(path: Path) -> tuple[int | None, int | None] | None:
    """Width and height of an upright picture; None where there is none, or not all of it."""
    if not os.path.isfile(path) or missing_bytes(path):
        return None
    try:
        with closing(FileSource(path, path.stem)) as source:
            info = source.open()
    except SourceError:
        return None
    return info.width, info.height


def _packet_times(path: Path) -> Times:
    """The times of a video's packets, in order; empty where it is damaged or no video."""
    if not os.path.isfile(path) or missing_bytes(path):
        return []
    try:
        with open_media_file(path) as container:
            stream: Any = video_stream(container, path)
            base: Fraction = stream.time_base
            packets = demuxed(container, stream)
            return sorted(float(p.pts * base) for p in packets if p.size and p.pts is not None)
    except (SourceError, FFmpegError):
        return []


def _find_part(output: Path, number: int, times: Times) -> int | None:
    """The number of the continuation with these times; files that are no part are passed over."""
    for candidate, path in continuations(output):
        if candidate >= number and _same(times, _packet_times(path)):
            return candidate
    return None


def _moved(times: Times, *, first: bool) -> Times:
    """The writer's rule: continuations, and times below 0, are moved to 0."""
    origin = times[0] if not first or times[0] < 0 else 0.0
    return [time_s - origin for time_s in times]


def _same(expected: Sequence[float], written: Sequence[float]) -> bool:
    return len(expected) == len(written) and all(
        abs(one - other) <= _TOLERANCE_S for one, other in zip(expected, written, strict=True)
    )


def _ends_like(times: Sequence[float], frames: int, last_s: float) -> bool:
    return len(times) == frames > 0 and abs(times[-1] - times[0] - last_s) <= _TOLERANCE_S
