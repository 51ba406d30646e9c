"""How much time each stage of the pipeline takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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


class StageTimes:
    """Adds up the time spent in each stage, over all threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._times: dict[str, StageTime] = {}

    @contextmanager
    def stage(self, name: str, items: int = 0) -> Iterator[None]:
        """Counts the time spent in the `with` block, and what it works on."""
        began = self._clock()
        try:
            yield
        finally:
            self.add(name, self._clock() - began, items)

    def add(self, name: str, seconds: float, items: int = 0) -> None:
        """Counts time measured elsewhere."""
        with self._lock:
            before = self._times.get(name, StageTime(0.0, 0))
            self._times[name] = StageTime(
                before.seconds + seconds, before.calls + 1, before.items + items
            )

    def snapshot(self) -> dict[str, StageTime]:
        """Every stage's time so far."""
        with self._lock:
            return dict(self._times)
