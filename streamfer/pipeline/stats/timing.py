"""How much time each stage of the pipeline takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

STAGES = (
    "decode", "convert", "detect", "track", "align", "classify", "heads", "overlay", "encode",
    "records",
)  # fmt: skip
"""In the order in which a frame passes through them."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """What one stage has taken so far."""

    seconds: float
    """Wall-clock seconds of the threads in this stage, all streams together."""
    calls: int
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
        self._times: dict[str, StageTime] = {}

    @contextmanager
    def stage(self, name: str, items: int = 0) -> Iterator[None]:
        """Counts the time spent in the `with` block, and what it works on."""
        began, core_began = self._clock(), self._core_clock()
        try:
            yield
        finally:
            self._count(
                name,
                seconds=self._clock() - began,
                calls=1,
                items=items,
                core_seconds=self._core_clock() - core_began,
            )

    def add(self, name: str, seconds: float, items: int = 0) -> None:
        """Counts time measured elsewhere."""
        self._count(name, seconds=seconds, calls=1, items=items)

    def wrote(self, name: str, pictures_bytes: int) -> None:
        """Counts pictures that a stage has written to memory."""
        self._count(name, written_bytes=pictures_bytes)

    def _count(self, name: str, **more: float) -> None:
        with self._lock:
            before = self._times.get(name, StageTime(0.0, 0))
            sums = {field: getattr(before, field) + value for field, value in more.items()}
            self._times[name] = replace(before, **sums)

    def snapshot(self) -> dict[str, StageTime]:
        """Every stage's time so far."""
        with self._lock:
            return dict(self._times)
