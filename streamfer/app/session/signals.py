"""Asking a run to end from outside: SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows lacks the last


class StopSignals:
    """Counts the signals that ask the program to end, instead of dying of them.

    A context manager; the handlers before it come back at its end. Outside the main thread, where
    Python allows no handlers, it counts nothing.

    Attributes:
        count: signals so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in _NAMES:
                if hasattr(signal, name):
                    number = getattr(signal, name)
                    self._before[number] = signal.signal(number, self._count)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _count(self, number: int, frame: FrameType | None) -> None:
        # A terminal that closes may send one itself and have its shell send another: that is not a
        # user who insists.
        if self.count == 0 or number != getattr(signal, "SIGHUP", None):
            self.count += 1
