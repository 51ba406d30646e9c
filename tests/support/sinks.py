"""Sinks written by hand, which remember what they got and fail where they are told to."""

from __future__ import annotations

import threading

from streamfer.types import FrameResult, StreamEvent


class MemorySink:
    """Keeps everything in memory.

    Args:
        name: of the output.
        fail_at: raise `error` instead of taking this many-th frame.
        error: what `write` raises at `fail_at`, and `close` where `fail_at` is None.
        gate: waited for before every write, if given.
    """

    def __init__(
        self,
        name: str = "memory",
        *,
        fail_at: int | None = None,
        error: BaseException | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.results: list[FrameResult] = []
        self.events: list[StreamEvent] = []
        self.closed = threading.Event()
        self._fail_at = fail_at
        self._error = error
        self._gate = gate

    @property
    def indices(self) -> list[int]:
        return [result.frame.index for result in self.results]

    def write(self, result: FrameResult) -> None:
        if self._gate is not None:
            self._gate.wait()
        if self._error is not None and len(self.results) == self._fail_at:
            raise self._error
        self.results.append(result)

    def event(self, event: StreamEvent) -> None:
        self.events.append(event)

    def close(self) -> None:
        first = not self.closed.is_set()
        self.closed.set()
        if first and self._error is not None and self._fail_at is None:
            raise self._error
