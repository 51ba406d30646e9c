"""Sends an MPEG transport stream over UDP whose clock a test can set."""

from __future__ import annotations

import itertools
import struct
import time
from fractions import Fraction
from pathlib import Path

import av

from tests.support.background_sender import BackgroundSender

_TICKS = 90_000


class UdpSender(BackgroundSender):
    """Plays a file of `encode_access_units` in a loop, from a thread of its own.

    Args:
        port: where to, on the loopback interface.
        media: the file.
        rate: pictures per second.
    """

    def __init__(self, port: int, media: Path, rate: int = 15) -> None:
        super().__init__()
        self._url = f"udp://127.0.0.1:{port}?pkt_size=1316"
        self._units = _read_access_units(media)
        self._rate = rate
        self._clock_s = 10.0

    def jump(self, seconds: float) -> None:
        """Sets the stream's clock forward, or back."""
        self._clock_s = max(self._clock_s + seconds, 1.0)

    def _run(self) -> None:
        due_s = time.monotonic()
        units = itertools.cycle(self._units)
        while not self._stop.is_set():
            sent_s = 0.0
            # flush_packets: every picture goes out at once.
            options = {"flush_packets": "1"}
            with av.open(self._url, "w", format="mpegts", container_options=options) as container:
                stream = container.add_stream("libx264", rate=self._rate)
                stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
                # A multiplexer does not go back in time: a clock set back needs a new one.
                while self._clock_s > sent_s and not self._stop.is_set():
                    sent_s = self._clock_s
                    container.mux(self._packet(next(units), stream))
                    self._clock_s += 1 / self._rate
                    due_s += 1 / self._rate
                    self._stop.wait(max(due_s - time.monotonic(), 0))

    def _packet(self, unit: bytes, stream: av.VideoStream) -> av.Packet:
        packet = av.Packet(unit)
        packet.stream = stream
        packet.time_base = Fraction(1, _TICKS)
        packet.pts = packet.dts = round(self._clock_s * _TICKS)
        return packet


def _read_access_units(path: Path) -> list[bytes]:
    packed, units, offset = path.read_bytes(), [], 0
    while offset < len(packed):
        (length,) = struct.unpack_from("<I", packed, offset)
        units.append(packed[offset + 4 : offset + 4 + length])
        offset += 4 + length
    return units
