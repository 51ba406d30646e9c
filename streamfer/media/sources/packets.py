"""The newest packets of a live stream, as they came, so that clips can be cut from them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from streamfer.media.sources.live_sound import describe

_MOST_BYTES = 128 << 20
"""Of packets kept for one stream: a minute at 16 Mbit/s."""


@dataclass(frozen=True, slots=True, eq=False)
class KeptPacket:
    """A packet, free of the connection that it came from."""

    is_video: bool
    content: bytes = field(repr=False)
    pts: int
    dts: int
    duration: int
    time_base: Fraction
    is_keyframe: bool

    @classmethod
    def of(cls, packet: Any) -> KeptPacket | None:
        """A copy; None of an empty packet, or one without time."""
        pts = packet.pts if packet.pts is not None else packet.dts
        if packet.size == 0 or pts is None:
            return None
        return cls(
            packet.stream.type == "video",
            bytes(packet),
            pts,
            packet.dts if packet.dts is not None else pts,
            packet.duration or 0,
            packet.time_base,
            packet.is_keyframe,
        )

    @property
    def time_s(self) -> float:
        """Its PTS, in seconds."""
        return self.pts * self.time_base.numerator / self.time_base.denominator

    @property
    def order_s(self) -> float:
        """Its DTS, in seconds."""
        return self.dts * self.time_base.numerator / self.time_base.denominator


class PacketMemory:
    """What a live stream brought lately, from key frame to key frame; bounded in time and bytes.

    One thread adds, another may ask.

    Args:
        keep_s: how far back it reaches at least, as far as there are bytes for it.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._packets: deque[KeptPacket] = deque()
        self._bytes = 0
        self._streams = b""
        self._offset_s = 0.0
        self._closed = False

    def begin(self, streams: Sequence[Any]) -> None:
        """A new connection, of which these PyAV streams are kept; what was there is forgotten."""
        described = describe(streams)  # the connection's own die with it
        with self._lock:
            self._packets.clear()
            self._bytes = 0
            self._streams = described

    def add(self, packet: Any) -> None:
        """Takes a PyAV packet of one of the streams."""
        kept = KeptPacket.of(packet)
        if kept is None:
            return
        with self._lock:
            if self._closed:
                return
            self._packets.append(kept)
            self._bytes += len(kept.content)
            if kept.is_video and kept.is_keyframe:
                self._forget_before(kept.time_s - self._keep_s)
            while self._bytes > _MOST_BYTES:
                self._drop_oldest()

    def place(self, packet_s: float, time_s: float) -> None:
        """Says which media time the stream's own PTS has now.

        Args:
            packet_s: PTS of a picture, in seconds.
            time_s: its media time.
        """
        with self._lock:
            self._offset_s = time_s - packet_s

    def recent(self) -> tuple[bytes, list[KeptPacket], float]:
        """What there is: the streams, as a NUT file of which the packets mean nothing; packets in
        order; and what makes media time of their PTS when it is added, in seconds."""
        with self._lock:
            return self._streams, list(self._packets), self._offset_s

    def close(self) -> None:
        """Forgets everything and takes nothing more: nobody cuts clips any longer."""
        with self._lock:
            self._closed = True
            self._packets.clear()
            self._bytes = 0

    def _forget_before(self, time_s: float) -> None:
        """Drops packets that no clip from this moment on needs: all before the last key frame that
        is not later than it."""
        begin = 0
        for place, packet in enumerate(self._packets):
            if packet.is_video and packet.is_keyframe:
                if packet.time_s > time_s:
                    break
                begin = place
        for _ in range(begin):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._packets.popleft().content)
