"""A real RTSP server that takes what is sent to it: GStreamer's, in record mode."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import av

from streamfer.types import UInt8Array
from tests.support.rtsp_server import GstServer

_HEAD = struct.Struct("<BdQI")


@dataclass(frozen=True)
class Received:
    """An access unit of the video, or a packet of the sound."""

    is_video: bool
    arrived_s: float
    """On the monotonic clock."""
    time_s: float
    """Its own."""
    content: bytes


class RtspRecorder(GstServer):
    """The server on a port of its own, so that it comes back where it was.

    Args:
        path: of what it received.
        sound: whether it expects sound, too.
    """

    def __init__(self, path: Path, *, sound: bool = False) -> None:
        super().__init__("gst_record_child.py", {"path": str(path), "sound": sound})
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self._path = path

    def received(self) -> list[Received]:
        """What came so far."""
        if not self._path.exists():
            return []
        packed, units, offset = self._path.read_bytes(), [], 0
        while offset + _HEAD.size <= len(packed):
            number, arrived_s, pts, length = _HEAD.unpack_from(packed, offset)
            offset += _HEAD.size
            content = packed[offset : offset + length]
            if len(content) < length:
                break  # still being written
            units.append(Received(number == 0, arrived_s, pts / 1e9, content))
            offset += length
        return units

    def pictures(self) -> Iterator[tuple[float, UInt8Array]]:
        """(arrival in seconds, (H, W, 3) uint8 RGB) of each picture, as far as they decode."""
        decoder = av.CodecContext.create("h264", "r")
        decoder.options = {"flags": "low_delay"}
        arrived: list[float] = []
        for unit in self.received():
            if not unit.is_video:
                continue
            arrived.append(unit.arrived_s)
            try:
                frames = decoder.decode(av.Packet(unit.content))
            except av.error.InvalidDataError:  # of a connection that was joined in its middle
                arrived.pop()
                continue
            for frame in frames:
                yield arrived.pop(0), frame.to_ndarray(format="rgb24")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
