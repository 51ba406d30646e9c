"""Ctrl-Z: the terminal is put in order before the program is stopped."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any, Self


class Suspension:
    """Notes that the user wants the program stopped, and stops it when that can be done.

    A context manager; the handler before it comes back at its end. Outside the main thread, on
    systems without the signal, and where it is ignored, it does nothing.

    Attributes:
        wanted: whether the program should be stopped; `stop` takes it back.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._before: Any = None

    def __enter__(self) -> Self:
        here = hasattr(signal, "SIGTSTP") and threading.current_thread() is threading.main_thread()
        if here and signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
            self._before = signal.signal(signal.SIGTSTP, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTSTP, self._before)
            self._before = None

    def stop(self) -> None:
        """Stops the whole process; returns when it goes on."""
        self.wanted = False
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True
