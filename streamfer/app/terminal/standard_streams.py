"""Standard output and error that no write to them can fail.

A terminal may be closed, speak Latin-1, or lead to a full disk or a reader that has left. What is
printed there is for people, and never worth a run.
"""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


def shield_standard_streams() -> None:
    """Lets nothing that is wrong with the terminal reach who prints; for a process of its own.

    What cannot be written is lost, and so is all that follows; characters that the terminal does
    not have are replaced. Closed descriptors lead nowhere, instead of into the first file opened.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free one, which is this
    sys.stdout = _shielded(sys.stdout, "replace")
    sys.stderr = _shielded(sys.stderr, "backslashreplace")


class _Unfailing(io.FileIO):
    """A descriptor that leads nowhere from the first failed write on."""

    def write(self, content: ReadableBuffer, /) -> int:
        size = memoryview(content).nbytes
        try:
            written = super().write(content)
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # what libraries print would fail too
            os.close(nowhere)
            return size
        # None of a terminal that does not block and has no room now.
        return size if written is None else written


def _shielded(stream: TextIO | None, errors: str) -> TextIO:
    if stream is None:  # was closed when Python started
        # As long as the process lives.
        return open(os.devnull, "w", encoding="utf-8", errors=errors)
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    if sys.platform == "win32":  # whose consoles are no plain descriptors
        stream.reconfigure(errors=errors)
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Unfailing(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
