"""Keeps the memory of many threads together, where the C library is glibc."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

HEAPS = 2
"""So many do for threads that mostly compute. With one for each, every heap fills with gaps of its
own: of six live streams on two cores, 556 MB instead of 507 after a hundred seconds."""

_M_ARENA_MAX = -8
"""`mallopt(3)`."""


def share_heaps() -> None:
    """Lets all threads allocate from `HEAPS` heaps, rather than from eight for each core.

    To be called before the threads start. Does nothing where the user has set the number
    (`MALLOC_ARENA_MAX`), or where there is another C library.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_ARENA_MAX, HEAPS)
