"""How much time each stage of the pipeline takes."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

STAGES = (
    "decode", "convert", "detect", "track", "align", "classify", "heads", "draw", "overlay",
    "encode", "records",
)  # fmt: skip
"""In the order in which a frame passes through them."""


@dataclass(slots=True)
class StageTime:
    """What one stage has taken so far."""

    seconds: float = 0.0
    """Wall-clock seconds of the threads in this stage, all streams together."""
    calls: int = 0
    items: int = 0
    """Frames or faces that it worked on, where that was told."""
    core_seconds: float = 0.0
    """CPU time of the threads in this stage; that of others which work for them is not in it."""
    written_bytes: int = 0
    """Of the pictures that it wrote to memory."""


class StageTimes:
    """Adds up the time spent in each stage, over all threads.

    Args:
        clock: monotonic seconds.
        core_clock: seconds of CPU time that the calling thread has used.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        core_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._core_clock = core_clock
        self._lock = threading.Lock()
        self._sums: defaultdict[str, StageTime] = defaultdict(StageTime)

    def stage(self, name: str, items: int = 0) -> AbstractContextManager[None]:
        """Counts the time spent in the `with` block, and what it works on."""
        return _Visit(self, name, items)

    def add(self, name: str, seconds: float, items: int = 0, core_seconds: float = 0.0) -> None:
        """Counts time measured elsewhere."""
        with self._lock:
            sums = self._sums[name]
            sums.seconds += seconds
            sums.core_seconds += core_seconds
            sums.calls += 1
            sums.items += items

    def wrote(self, name: str, pictures_bytes: int) -> None:
        """Counts pictures that a stage has written to memory."""
        with self._lock:
            self._sums[name].written_bytes += pictures_bytes

    def now(self) -> tuple[float, float]:
        """Both clocks, in seconds."""
        return self._clock(), self._core_clock()

    def snapshot(self) -> dict[str, StageTime]:
        """Every stage's time so far, which does not grow any more."""
        with self._lock:
            return {name: replace(sums) for name, sums in self._sums.items()}


class _Visit:
    """One `with` block of a stage."""

    __slots__ = ("_began", "_items", "_name", "_times")

    def __init__(self, times: StageTimes, name: str, items: int) -> None:
        self._times = times
        self._name = name
        self._items = items

    def __enter__(self) -> None:
        self._began = self._times.now()

    def __exit__(self, *_: object) -> None:
        (began, core_began), (ended, core_ended) = self._began, self._times.now()
        self._times.add(self._name, ended - began, self._items, core_ended - core_began)
