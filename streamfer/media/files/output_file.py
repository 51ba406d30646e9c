"""A file being written, under this program's control."""

from __future__ import annotations

import contextlib
import os
import stat

from streamfer.media.files.claims import ClaimedPath


class OutputFile:
    """A file whose every write reaches the system at once and whole.

    PyAV writes through it too: its own files stay open where writing the header fails, and take
    names with `:` for protocols.

    Args:
        path: claimed for this run; what stands there is replaced.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: ClaimedPath) -> None:
        self._path = path
        self._file = open(path, "wb", buffering=0)  # noqa: SIM115  (closed by close())

    def write(self, chunk: bytes) -> int:
        """Writes all of it.

        Raises:
            OSError: some of it could not be written.
        """
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        return len(chunk)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to a position; returns it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._file.tell()

    def cut(self, size: int) -> None:
        """Takes back what was written beyond a size, where the file is one that can shrink."""
        with contextlib.suppress(OSError):  # a device has no length
            self._file.truncate(size)
            self._file.seek(size)

    def discard(self) -> None:
        """Closes the file and removes it: what is not whole has no place at a final name."""
        is_regular = not self._file.closed and stat.S_ISREG(os.fstat(self._file.fileno()).st_mode)
        self.close()
        if is_regular:
            self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Closes the file; closing twice is fine."""
        self._file.close()


def write_whole(path: ClaimedPath, content: bytes) -> None:
    """Writes a small file, or leaves none.

    Raises:
        OSError: it cannot be written.
    """
    file = OutputFile(path)
    try:
        file.write(content)
    except OSError:
        file.discard()
        raise
    file.close()
