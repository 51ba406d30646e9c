"""Keeps OpenCV on the thread that calls it while runs go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_lock = threading.Lock()
_runs = 0
_before = 0


@contextmanager
def opencv_on_one_thread() -> Iterator[None]:
    """Lets OpenCV use no threads of its own until all such blocks of the process have ended.

    A run's threads are busy already: sharing out a picture of a few hundred pixels among sleeping
    workers takes longer than the work. Then the number is again what it was.
    """
    global _runs, _before  # OpenCV's number is the process's, too
    with _lock:
        if _runs == 0:
            _before = cv2.getNumThreads()
            cv2.setNumThreads(1)
        _runs += 1
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            if _runs == 0:
                cv2.setNumThreads(_before)
