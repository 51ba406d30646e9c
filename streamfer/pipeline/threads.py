"""The threads of a pipeline: started in one place, and joined there."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Threads:
    """Threads that all end before `join` returns, but for sources stuck in a read.

    Args:
        clock: monotonic seconds.
        stop_timeout_s: how long sources together may hold `join`.
    """

    def __init__(self, clock: Callable[[], float], stop_timeout_s: float) -> None:
        self._clock = clock
        self._stop_timeout_s = stop_timeout_s
        self._sources: list[threading.Thread] = []
        self._others: list[threading.Thread] = []

    def start(self, name: str, body: Callable[[], None]) -> None:
        """Starts a thread that must end by itself once all channels are closed."""
        self._others = _start(self._others, name, body)

    def start_source(self, stream: str, body: Callable[[], None]) -> None:
        """Starts the thread of a source, which may sit in a read that nothing can interrupt."""
        self._sources = _start(self._sources, f"source {stream}", body)

    @property
    def alive(self) -> tuple[str, ...]:
        """Names of those that have not ended."""
        return tuple(t.name for t in (*self._others, *self._sources) if t.is_alive())

    def join(self) -> None:
        """Waits for all threads; for sources only so long."""
        deadline = self._clock() + self._stop_timeout_s
        for thread in self._others:
            thread.join()
        for thread in self._sources:
            thread.join(max(deadline - self._clock(), 0.0))


def _start(
    earlier: list[threading.Thread], name: str, body: Callable[[], None]
) -> list[threading.Thread]:
    """Starts one more; returns those that run."""
    thread = threading.Thread(target=body, name=name)
    running = [other for other in earlier if other.is_alive()]
    thread.start()
    return [*running, thread]
