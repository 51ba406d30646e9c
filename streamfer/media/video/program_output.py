"""An output whose bytes a program sends."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import select
import subprocess
import time
from typing import IO, Any, Self

from streamfer.media.redact import MASK, redact_text
from streamfer.media.video.sending_program import SendingCommand

_PACKET = 188
"""Bytes of a packet of MPEG-TS."""
_EMPTY_PACKET = b"\x47\x1f\xff\x10" + b"\xff" * (_PACKET - 4)
"""What receivers skip."""
_CHUNK = getattr(select, "PIPE_BUF", 512) // _PACKET * _PACKET
"""Bytes that a pipe takes whole or not at all, so that the program never reads half a packet."""
_MOST_SAID = 10_000
"""Bytes of messages that are kept."""
_READ_AT_ONCE = 65_536
_ORIGIN = re.compile(r"^(?:\[[^\]]*\]|(?>\S*?/SRT:)\S+) ")
"""Of a message: the part of FFmpeg or SRT that says it."""


class ProgramOutput:
    """A file to write a transport stream into, which a program sends on.

    The program is out of reach of the terminal's signals; it is ended here, and ends by itself
    when this process is gone. Nothing blocks for longer than the time-out.

    Args:
        command: the program, which reads the stream from its standard input and writes a line to
            its standard output once it is connected.
        timeout_s: limit for connecting, for taking a piece, and for ending, in seconds.

    Raises:
        OSError: it cannot be started, or does not connect.
    """

    def __init__(self, command: SendingCommand, timeout_s: float) -> None:
        self._secrets = command.secrets
        self._timeout_s = timeout_s
        self._unsent = b""
        self._messages = b""
        self._connected = False
        self._closed = False
        self._failure: OSError | None = None
        self._child = _start(command)
        self._input, self._progress, self._errors = (
            _without_blocking(pipe)
            for pipe in (self._child.stdin, self._child.stdout, self._child.stderr)
        )
        try:
            self._connect()
        except BaseException:
            self.close()
            raise

    def write(self, data: bytes) -> int:
        """Hands bytes to the program.

        Raises:
            OSError: it has ended, with what it said, or takes nothing any more. Said once: FFmpeg
                goes on to write the end of the stream.
        """
        if self._failure is not None:
            return len(data)
        self._listen()
        self._unsent += data
        whole = len(self._unsent) // _PACKET * _PACKET
        for start in range(0, whole, _CHUNK):
            self._send(self._unsent[start : min(start + _CHUNK, whole)])
        self._unsent = self._unsent[whole:]
        return len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        if self._failure is not None:
            raise self._failure  # in place of what PyAV says about each write after the first

    def close(self) -> None:
        """Ends the program, which sends what it has if it can; closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        if self._failure is not None or not self._connected:
            self._child.kill()
        try:
            self._child.communicate(timeout=self._timeout_s)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.communicate()

    def _connect(self) -> None:
        # Some versions look at the beginning of the stream before they connect, and none says
        # that it is connected before it has sent something.
        self._send(_EMPTY_PACKET * (_CHUNK // _PACKET))
        deadline_s = time.monotonic() + self._timeout_s
        while not self._connected:
            self._wait(self._progress, select.POLLIN, deadline_s)

    def _send(self, chunk: bytes) -> None:
        deadline_s = time.monotonic() + self._timeout_s
        while True:
            try:
                os.write(self._input, chunk)
                return
            except BlockingIOError:
                self._wait(self._input, select.POLLOUT, deadline_s)
            except BrokenPipeError:
                raise self._ended() from None

    def _wait(self, pipe: int, event: int, deadline_s: float) -> None:
        """Waits until a pipe is ready or the program says something."""
        ready = select.poll()
        for other in (self._progress, self._errors):
            ready.register(other, select.POLLIN)
        ready.register(pipe, event)
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not ready.poll(left_s * 1000):
            self._failure = TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            raise self._failure
        self._listen()

    def _listen(self) -> None:
        """Takes what the program has said; waits for nothing.

        Raises:
            OSError: it has ended.
        """
        said = _read(self._errors)
        self._messages += (said or b"")[: _MOST_SAID - len(self._messages)]
        progress = _read(self._progress)
        self._connected |= bool(progress)
        if progress == b"":
            raise self._ended()

    def _ended(self) -> OSError:
        """Why the program has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(self._timeout_s)
        self._messages += _read(self._errors) or b""
        text = self._messages.decode("utf-8", "replace").strip()
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, MASK)
        said = _ORIGIN.sub("", text.partition("\n")[0])
        program_end = f"the program that sends has ended (exit code {self._child.returncode})"
        self._failure = ConnectionError(errno.EPIPE, redact_text(said) or program_end)
        return self._failure


def _start(command: SendingCommand) -> subprocess.Popen[bytes]:
    """Starts the program; what nobody may see goes through a pipe."""
    preset, filled = os.pipe()
    try:
        try:
            os.write(filled, command.preset)
        finally:
            os.close(filled)
        place = f"/dev/fd/{preset}"
        return subprocess.Popen(
            [place if argument == "{preset}" else argument for argument in command.arguments],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(preset,),
            start_new_session=True,
            # It would write a log of all that it reads.
            env={name: value for name, value in os.environ.items() if name != "FFREPORT"},
        )
    finally:
        os.close(preset)


def _without_blocking(pipe: IO[bytes] | Any) -> int:
    os.set_blocking(pipe.fileno(), False)
    return int(pipe.fileno())


def _read(pipe: int) -> bytes | None:
    """What is in a pipe: None for nothing yet, nothing at its end."""
    try:
        return os.read(pipe, _READ_AT_ONCE)
    except BlockingIOError:
        return None
