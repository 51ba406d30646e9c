"""Pipes as inputs: read once, from one descriptor, by a reader that can be woken."""

from __future__ import annotations

import contextlib
import os
import select
import stat
import threading
from pathlib import Path

from streamfer.errors import SourceError
from streamfer.media.sources.named_file import readable_path

STANDARD_INPUT = "/dev/stdin"
"""What `-` stands for."""

_IN = select.POLLIN | select.POLLHUP | select.POLLERR if hasattr(select, "poll") else 0


def is_pipe(path: Path) -> bool:
    """Whether a path leads to a pipe, a FIFO or a socket; nothing is opened, nothing is read."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


class PipeReader:
    """A file-like object over a pipe, whose reads end when `interrupt` is called.

    Opening doesn't wait for a FIFO's writer; the first read does.

    Args:
        path: of the pipe.

    Raises:
        SourceError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        try:
            if self.name == STANDARD_INPUT:  # a socket there cannot be opened by its name
                self._descriptor = os.dup(0)
            else:
                self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError as error:
            raise SourceError(f"cannot open {readable_path(path)}: {error.strerror}") from error
        self._woken, self._wake = os.pipe()
        self._lock = threading.Lock()
        self._closed = False
        self._poll = select.poll()
        self._poll.register(self._descriptor, _IN)
        self._poll.register(self._woken, select.POLLIN)

    def read(self, size: int) -> bytes:
        """Up to `size` bytes as soon as there are some; none at the end, or once interrupted."""
        while True:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            if self._woken in ready:
                return b""
            with contextlib.suppress(BlockingIOError):
                return os.read(self._descriptor, size)

    def interrupt(self) -> None:
        """Ends the read under way and all later ones, from any thread."""
        with self._lock:
            if not self._closed:
                os.write(self._wake, b"\0")

    def close(self) -> None:
        """Lets go of the pipe; closing twice is fine. Not while a read is under way."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for descriptor in (self._descriptor, self._woken, self._wake):
                    os.close(descriptor)
