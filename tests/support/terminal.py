"""A terminal that a program runs in."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress


class Terminal:
    """The side of a pseudo-terminal where the user sits: keeps what is shown, can be closed."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._hang_up, self._hung_up = os.pipe()
        self._shown = bytearray()
        self._arrived = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def shown(self) -> bytes:
        """All that came so far."""
        with self._arrived:
            return bytes(self._shown)

    def wait_for(self, content: bytes, timeout_s: float = 60.0, times: int = 1) -> None:
        """Waits until this has been shown, so many times."""
        with self._arrived:
            there = self._arrived.wait_for(lambda: self._shown.count(content) >= times, timeout_s)
            assert there, bytes(self._shown)

    def resize(self, rows: int, columns: int) -> None:
        """Changes the size of the terminal, which tells the program."""
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def type(self, keys: bytes) -> None:
        """Types."""
        os.write(self._descriptor, keys)

    def close(self) -> None:
        """Closes it, as its window's X does; twice is fine."""
        with suppress(OSError):
            os.write(self._hung_up, b"x")
        self._reader.join()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._descriptor, self._hang_up], [], [])
            try:
                content = os.read(self._descriptor, 65536) if self._hang_up not in ready else b""
            except OSError:  # the program has gone
                content = b""
            if not content:
                break
            with self._arrived:
                self._shown += content
                self._arrived.notify_all()
        for descriptor in (self._descriptor, self._hang_up, self._hung_up):
            os.close(descriptor)


@contextmanager
def in_terminal(
    *arguments: object, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], Terminal]]:
    """Runs the program in a terminal of 24 rows and 100 columns, as the leader of its session."""
    outer, inner = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    fcntl.ioctl(outer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "streamfer", *map(str, arguments)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        start_new_session=True,
        preexec_fn=take_terminal,
        env={**os.environ, "TERM": "xterm", **(environment or {})},
    )
    os.close(inner)
    terminal = Terminal(outer)
    try:
        yield process, terminal
    finally:
        process.kill()
        process.wait()
        terminal.close()
