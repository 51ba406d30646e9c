"""Sinks of whoever calls: plain callables, or objects that take results and events."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from streamfer.errors import ConfigError
from streamfer.types import FrameResult, StreamEvent


class CallerSink:
    """A sink that all streams of a run share, called by one thread at a time.

    Args:
        target: a callable that takes results, or an object with `write(result)` and, if it wants,
            `event(event)` and `close()`.

    Raises:
        ConfigError: it is neither.
    """

    def __init__(self, target: Any) -> None:
        write = getattr(target, "write", target)
        if not callable(write):
            raise ConfigError(
                f"sinks: expected callables or objects with write(result), got {target!r}"
            )
        self.name = str(getattr(target, "name", None) or getattr(target, "__name__", "sink"))
        self._write: Callable[[FrameResult], object] = write
        self._event: Callable[[StreamEvent], object] = getattr(target, "event", lambda _: None)
        self._close: Callable[[], object] = getattr(target, "close", lambda: None)
        self._lock = threading.Lock()

    def write(self, result: FrameResult) -> None:
        """Hands a result on."""
        with self._lock:
            self._write(result)

    def event(self, event: StreamEvent) -> None:
        """Hands an event on."""
        with self._lock:
            self._event(event)

    def close(self) -> None:
        """A stream has ended; others go on."""

    def finish(self) -> None:
        """The run has ended."""
        self._close()
