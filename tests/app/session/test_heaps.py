from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from streamfer.app.session.heaps import HEAPS

_CHILD = """
import ctypes, sys, threading
from streamfer.app.session.heaps import share_heaps
if "share" in sys.argv:
    share_heaps()
together = threading.Barrier(13)
def work():
    kept = bytearray(100_000)
    together.wait()
    together.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
together.wait()
libc = ctypes.CDLL("libc.so.6")
libc.fdopen.restype = ctypes.c_void_p
libc.malloc_info(0, ctypes.c_void_p(libc.fdopen(1, b"w")))
libc.fflush(None)
together.wait()
"""


def heaps(*arguments: str, **environment: str) -> int:
    """Of a process with twelve threads that allocate."""
    inherited = {key: value for key, value in os.environ.items() if key != "MALLOC_ARENA_MAX"}
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=inherited | environment,
    )
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_threads_share_few_heaps_unless_the_user_wants_more() -> None:
    alone = heaps()
    assert alone > HEAPS
    assert heaps("share") == HEAPS
    assert heaps("share", MALLOC_ARENA_MAX="4") == 4
