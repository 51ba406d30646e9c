"""`--segment`: videos and records go on in new files as time passes."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streamfer.media.files.numbering import FrameNumbers
from streamfer.types import Frame


class _Clock:
    """Counts the segments of one thing that goes on: the first begins at 0 s."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next_s = every_s
        self.now_s = 0.0
        self.number = 0

    def advance(self, now_s: float) -> bool:
        """Moves on; returns whether a new segment begins here."""
        self.now_s = max(self.now_s, now_s)
        if self.now_s < self._next_s:
            return False
        self.number += 1
        self._next_s = (self.now_s // self._every_s + 1) * self._every_s
        return True


class Segments:
    """Says which segment each frame belongs to.

    A video goes on in a new file by the time of its own stream, counted from its first frame. The
    records, which all streams share, go by the time of the stream that is furthest, each counted
    on from the moment it joined; so with one stream both go on at the same frame.

    Args:
        every_s: length of a segment in seconds; infinity for a single one.
    """

    def __init__(self, every_s: float = math.inf) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._run = _Clock(every_s)
        self._streams: dict[str, tuple[float, _Clock]] = {}
        """By stream: the time of its first frame, and its own clock."""
        self._numbers: dict[str, FrameNumbers] = {}
        """By stream, the segments of its last frames, for which several outputs ask."""
        self._joined_s: dict[str, float] = {}

    def number(self, frame: Frame) -> int:
        """The segment of the stream's video that the frame belongs to, from 0."""
        with self._lock:
            numbers = self._numbers.setdefault(frame.stream, FrameNumbers())
            if frame.index not in numbers:
                first_s, clock = self._streams.setdefault(
                    frame.stream, (frame.time_s, _Clock(self._every_s))
                )
                clock.advance(frame.time_s - first_s)
                numbers[frame.index] = clock.number
            return numbers[frame.index]

    @contextmanager
    def recording(self, frame: Frame) -> Iterator[bool]:
        """Holds all other records back while a frame's record is written.

        Yields:
            Whether the records have to go on in a new file first.
        """
        with self._lock:
            joined_s = self._joined_s.setdefault(frame.stream, self._run.now_s - frame.time_s)
            yield self._run.advance(joined_s + frame.time_s)
