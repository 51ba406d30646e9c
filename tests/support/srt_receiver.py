"""The program `ffmpeg`, listening for SRT."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Self

import av
import pytest

from streamfer.media.video.sending_program import has_protocol, sending_program
from streamfer.types import UInt8Array

NEEDS_SRT = pytest.mark.skipif(
    (not has_protocol("srt") and sending_program("srt") is None) or shutil.which("ffmpeg") is None,
    reason="neither PyAV nor the program ffmpeg has SRT",
)
_PACKET = 188


def receiving(url: str) -> subprocess.Popen[bytes]:
    """A program that writes what comes from an address to its standard output, as it comes."""
    receive = ["ffmpeg", "-v", "quiet", "-f", "data", "-i", url, "-map", "0", "-c", "copy"]
    return subprocess.Popen(
        [*receive, "-flush_packets", "1", "-f", "data", "pipe:1"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


class SrtReceiver:
    """A receiver at a port, which can go away and come back.

    Args:
        port: to listen at.
        query: further parts of its address.
    """

    def __init__(self, port: int, query: str = "") -> None:
        self._url = f"srt://127.0.0.1:{port}?mode=listener{query}"
        self._pieces: list[tuple[float, bytes]] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listens, for a stream of its own."""
        self._pieces = []
        self._program = receiving(self._url)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Says goodbye; stopping twice is fine."""
        self._program.terminate()
        self._thread.join(5.0)
        self._program.kill()  # newer versions wait for more of the stream before they end
        self.wait()

    def wait(self) -> None:
        """Waits until the stream ends."""
        self._thread.join()
        with self._program:
            pass

    def _run(self) -> None:
        assert self._program.stdout is not None
        while piece := os.read(self._program.stdout.fileno(), 65536):
            with self._changed:
                self._pieces.append((time.monotonic(), piece))
                self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Waits until so many pictures have come."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.count() >= count, 60)

    def stream(self) -> bytes:
        """What came so far."""
        return b"".join(piece for _, piece in list(self._pieces))

    def count(self) -> int:
        """Pictures that came so far."""
        return len(_ends(self.stream()))

    def pictures(self) -> Iterator[tuple[float, UInt8Array]]:
        """(arrival of its last byte in seconds, (H, W, 3) uint8 RGB) of each picture."""
        ends, passed, pieces = _ends(self.stream()), 0, iter(self._pieces)
        with av.open(io.BytesIO(self.stream()), format="mpegts") as container:
            for end, picture in zip(ends, container.decode(video=0), strict=False):
                while passed < end:
                    arrived_s, piece = next(pieces)
                    passed += len(piece)
                yield arrived_s, picture.to_ndarray(format="rgb24")


def _ends(stream: bytes) -> list[int]:
    """Where each picture ends, in bytes from the beginning: in the last packet of its track."""
    ends: list[int] = []
    for start in range(0, len(stream) - _PACKET + 1, _PACKET):
        packet = stream[start : start + _PACKET]
        assert packet[0] == 0x47
        if int.from_bytes(packet[1:3], "big") & 0x1FFF != 0x100:  # the first track of FFmpeg
            continue
        if packet[1] & 0x40:  # a picture begins
            ends.append(start)
        ends[-1] = start + _PACKET
    return ends
