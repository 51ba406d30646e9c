"""Keeps an encoder from taking real-time priority."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_THREADS = "/proc/self/task"


@contextlib.contextmanager
def ordinary_priority() -> Iterator[None]:
    """Takes back the real-time priority that an encoder gives itself while it is opened.

    Where it may, as root may in a container, libsvtav1 does so for all its threads and the one that
    opens it, whose later threads and processes inherit it: they go before everything else on the
    machine.
    """
    if sys.platform != "linux":
        yield
        return
    before = _policies()
    try:
        yield
    finally:
        own = before[threading.get_native_id()]
        for thread, policy in _policies().items():
            if policy == os.SCHED_FIFO != before.get(thread, own):
                with contextlib.suppress(OSError):  # it has ended
                    os.sched_setscheduler(thread, before.get(thread, own), os.sched_param(0))


def _policies() -> dict[int, int]:
    """The scheduling policy of each thread of this process, by the system's number of it."""
    found = {}
    for name in os.listdir(_THREADS):
        with contextlib.suppress(OSError):  # it has ended
            found[int(name)] = os.sched_getscheduler(int(name))
    return found
