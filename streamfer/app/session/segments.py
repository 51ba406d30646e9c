"""`--segment`: video and records of all streams go on in new files together."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from streamfer.types import Frame


class Segments:
    """Says which segment each frame belongs to; one count for all streams of a run.

    The run's time is that of the stream that is furthest, each counted on from the moment it
    joined. A frame's segment is settled once, so that its record and its picture stay together.

    Args:
        every_s: length of a segment in seconds; infinity for a single one.
    """

    def __init__(self, every_s: float = math.inf) -> None:
        self._every_s = every_s
        self._lock = threading.Lock()
        self._number = 0
        self._recorded = 0
        self._run_s = 0.0
        self._next_s = every_s
        self._joined_s: dict[str, float] = {}
        self._settled: dict[str, tuple[int, int]] = {}
        """By stream: its newest frame's index and segment."""

    def number(self, frame: Frame) -> int:
        """The frame's segment, from 0."""
        with self._lock:
            return self._settle(frame)

    @contextmanager
    def recording(self, frame: Frame) -> Iterator[bool]:
        """Holds all other records back while a frame's record is written.

        Yields:
            Whether the records have to go on in a new file first.
        """
        with self._lock:
            number = self._settle(frame)
            must_roll, self._recorded = number != self._recorded, number
            yield must_roll

    def _settle(self, frame: Frame) -> int:
        index, number = self._settled.get(frame.stream, (-1, 0))
        if index == frame.index:
            return number
        joined_s = self._joined_s.setdefault(frame.stream, self._run_s - frame.time_s)
        self._run_s = max(self._run_s, joined_s + frame.time_s)
        if self._run_s >= self._next_s:
            self._number += 1
            self._next_s = (self._run_s // self._every_s + 1) * self._every_s
        self._settled[frame.stream] = (frame.index, self._number)
        return self._number
