"""The newest packets of a live stream, as they came, so that clips can be cut from them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import islice
from typing import Any

from av.error import FFmpegError

from streamfer.media.sources.live_sound import describe
from streamfer.media.sources.timeline import JITTER_S

_MOST_BYTES = 128 << 20
"""Of packets kept for one stream: a minute at 16 Mbit/s."""
_LONGEST_STEP_S = 1.0
"""From picture to picture; a longer one may be a jump of the sender's clock."""
_MOST_IN_DECODER = 256
"""Packets that may have come since the one whose picture leaves the decoder."""
_SAME_S = 1e-3


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
    shift_s: float = 0.0
    """What makes media time of its PTS when it is added, in seconds."""

    @classmethod
    def of(cls, packet: Any, shift_s: float = 0.0) -> KeptPacket | None:
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
            shift_s,
        )

    @property
    def time_s(self) -> float:
        """When it is shown, in seconds of media time."""
        return self.pts * self.time_base.numerator / self.time_base.denominator + self.shift_s

    @property
    def order_s(self) -> float:
        """When it is decoded, in seconds of media time."""
        return self.dts * self.time_base.numerator / self.time_base.denominator + self.shift_s


@dataclass(slots=True, eq=False)
class _Part:
    """Packets between two jumps of the sender's clock."""

    shift_s: float | None = None
    """See `KeptPacket`; None until a picture of it was decoded."""


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A packet in its place."""

    packet: KeptPacket
    part: _Part
    age_s: float
    """Time of the stream, which does not jump."""


class PacketMemory:
    """What a live stream brought lately, from key frame to key frame; bounded in time and bytes.

    One thread adds, another may ask.

    Args:
        keep_s: how far back it reaches at least, as far as there are bytes for it.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._packets: deque[_Held] = deque()
        self._bytes = 0
        self._streams = b""
        self._part = _Part()
        self._age_s = 0.0
        self._order_s: float | None = None
        self._closed = False
        self._with_sound = True
        self.problem: str | None = None
        """Why nothing of the stream is kept, or None."""

    def begin(self, streams: Sequence[Any]) -> None:
        """A new connection; what was there is forgotten.

        Args:
            streams: PyAV's, video first; if not all can be carried, only the video is kept.
        """
        described, count = _describe_most(streams)  # the connection's own die with it
        with self._lock:
            self._packets.clear()
            self._bytes = 0
            self._streams = described
            self._part, self._order_s = _Part(), None
            self._with_sound = count > 1
            self.problem = None if count else "its video cannot be carried by any container"

    def add(self, packet: Any) -> None:
        """Takes a PyAV packet of one of the streams."""
        kept = KeptPacket.of(packet)
        if kept is None or self.problem is not None or not (kept.is_video or self._with_sound):
            return
        with self._lock:
            if self._closed:
                return
            if kept.is_video:
                self._advance(kept.order_s)
            self._packets.append(_Held(kept, self._part, self._age_s))
            self._bytes += len(kept.content)
            if kept.is_video and kept.is_keyframe:
                self._forget_before(self._age_s - self._keep_s)
            while self._bytes > _MOST_BYTES:
                self._drop_oldest()

    def place(self, packet_s: float, time_s: float) -> None:
        """Says which media time the stream's own PTS has now.

        Args:
            packet_s: PTS of a picture, in seconds.
            time_s: its media time.
        """
        with self._lock:
            newest = islice(reversed(self._packets), _MOST_IN_DECODER)
            of_it = (
                held.part
                for held in newest
                if held.packet.is_video and abs(held.packet.time_s - packet_s) < _SAME_S
            )
            next(of_it, self._part).shift_s = time_s - packet_s

    def recent(self) -> tuple[bytes, list[KeptPacket]]:
        """What there is: the streams, as a NUT file of which the packets mean nothing; and the
        packets in order, with their media time as far as it is known."""
        with self._lock:
            packets = [
                replace(held.packet, shift_s=held.part.shift_s)
                for held in self._packets
                if held.part.shift_s is not None
            ]
            return self._streams, packets

    def close(self) -> None:
        """Forgets everything and takes nothing more: nobody cuts clips any longer."""
        with self._lock:
            self._closed = True
            self._packets.clear()
            self._bytes = 0

    def _advance(self, order_s: float) -> None:
        """Takes the DTS of the next picture; where it jumps, media time may do otherwise."""
        step_s = 0.0 if self._order_s is None else order_s - self._order_s
        self._order_s = order_s
        self._age_s += min(max(step_s, 0.0), _LONGEST_STEP_S)
        if not -JITTER_S <= step_s <= _LONGEST_STEP_S:
            self._part = _Part()

    def _forget_before(self, age_s: float) -> None:
        """Drops packets that no clip from this moment on needs: all before the last key frame that
        is not later than it."""
        begin = 0
        for place, held in enumerate(self._packets):
            if held.packet.is_video and held.packet.is_keyframe:
                if held.age_s > age_s:
                    break
                begin = place
        for _ in range(begin):
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self._bytes -= len(self._packets.popleft().packet.content)


def _describe_most(streams: Sequence[Any]) -> tuple[bytes, int]:
    """The streams as `describe` has them, and how many of them: all, or the first, or none."""
    for count in (len(streams), 1):
        try:
            return describe(streams[:count]), count
        except (FFmpegError, ValueError):
            continue
    return b"", 0
