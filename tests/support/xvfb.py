"""A display without a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def virtual_display(width: int, height: int) -> Iterator[str]:
    """Starts an X server and gives its display; skips the test where there is no Xvfb."""
    if shutil.which("Xvfb") is None:
        pytest.skip("no virtual display: install xvfb")
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24"]
    # A server that starts anew whenever its last client leaves loses clients that come just then.
    command += ["-nolisten", "tcp", "-noreset"]
    server = subprocess.Popen(
        command, pass_fds=(writer,), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(writer)
    try:
        with open(reader) as number:
            yield f":{number.readline().strip()}"
    finally:
        server.terminate()
        server.wait()
