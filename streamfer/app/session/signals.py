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

    Args:
        rereads: whether SIGHUP asks to read the configuration again instead.

    Attributes:
        count: signals so far.
        reread: whether the configuration should be read again; for its reader to take back.
    """

    def __init__(self, rereads: bool = False) -> None:
        self.count = 0
        self.reread = False
        self._rereads = rereads
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
        hung_up = number == getattr(signal, "SIGHUP", None)
        if hung_up and self._rereads:
            self.reread = True
        # A terminal that closes may send one itself and have its shell send another: that is not a
        # user who insists.
        elif self.count == 0 or not hung_up:
            self.count += 1
