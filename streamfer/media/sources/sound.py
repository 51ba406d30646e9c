"""What the writer of a video asks of its sound, wherever that comes from."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from streamfer.media.sources.audio_clock import AudioClock, move
from streamfer.media.sources.timeline import longest_gap_s

_MOST_BYTES = 64 << 20
"""Of packets that wait for their frames to be written: minutes of sound, even uncompressed."""

_PACKET_BYTES = 1000
"""What a packet takes up beside its content, as measured; more than most have of that."""

_PATIENCE_S = 10
"""Of video through which sound whose clock was reset waits for the video to say how far."""


class Sound(ABC):
    """The sound that belongs to a video: packets in order, timed like its frames."""

    start_s = 0.0
    """Where the video begins, in seconds after the input's first frame."""

    def __init__(self) -> None:
        self.stream: Any = None
        """The PyAV audio stream, or None where there is none."""
        self.problem: str | None = None
        """Why it ends before its time, or None."""
        self._clock = AudioClock()
        self._follows_video = True
        self._waits_since_s: Fraction | None = None

    def begin_clock(self, container_format: str, *, follows_video: bool) -> None:
        """Sets how times are repaired; rounds of a loop don't follow, they move as a whole."""
        self._clock = AudioClock(longest_gap_s(container_format))
        self._follows_video = follows_video

    @abstractmethod
    def peek(self) -> Any:
        """The next packet, as it is in the input, or None; it stays the next one."""

    @abstractmethod
    def _take(self) -> None:
        """Makes the packet after it the next one."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the input."""

    @abstractmethod
    def has_video_after(self, time_s: float) -> bool:
        """Whether there is more video than was written, so that its sound must end too."""

    def begin(self, time_s: Fraction, shift_s: Fraction) -> None:
        """Says when the first frame is, and how far it was moved, before any packet is taken."""
        if self._follows_video:
            self._clock.begin(time_s, shift_s)

    def upto(self, time_s: Fraction | None, shift_s: Fraction = Fraction(0)) -> Iterator[Any]:
        """Packets not yet given that begin before a moment; None: all that are left.

        Args:
            time_s: seconds on the video's clock, rounds of a loop running on.
            shift_s: by how much the video's times are moved there, see `Instant.shift`.
        """
        shift = shift_s if self._follows_video else None
        while (packet := self.peek()) is not None:
            since_s = time_s if self._waits_since_s is None else self._waits_since_s
            alone = time_s is None or since_s is None or time_s - since_s > _PATIENCE_S
            moved_s = self._clock.shift_s(packet, shift, last=alone)
            if moved_s is None:
                self._waits_since_s = since_s
                return
            self._waits_since_s = None
            if time_s is not None and packet.pts * packet.time_base + moved_s >= time_s:
                return
            self._take()
            self._clock.passed(packet)
            move(packet, moved_s)
            yield packet


class TravellingSound(Sound):
    """Sound of an input that can be read only once: it travels beside the frames.

    The decoder puts packets in as it meets them, and never waits; the writer takes them out. What
    waits is bounded by how far frames are under way; should it grow beyond that, the oldest packets
    are left out, and `problem` says so.

    Args:
        start_s: where the video begins, in seconds after the input's first frame.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        super().__init__()
        self.start_s = start_s
        self.ended = False
        """Whether the input was read to its end."""
        self._waiting: deque[Any] = deque()
        self._next: Any = None
        self._bytes = 0
        self._let_go = False
        self._end = 0
        self._lock = threading.Lock()

    def put(self, packet: Any) -> None:
        """Takes a packet from the thread that decodes."""
        if packet.pts is None:
            packet.pts = packet.dts if packet.dts is not None else self._end
        packet.dts = packet.dts if packet.dts is not None else packet.pts
        self._end = packet.pts + (packet.duration or 0)
        with self._lock:
            if self._let_go:
                return
            self._waiting.append(packet)
            self._bytes += _size(packet)
            while self._bytes > _MOST_BYTES:
                self._bytes -= _size(self._waiting.popleft())
                self.problem = "more of it came than its video had frames for"

    def peek(self) -> Any:
        """See `Sound`."""
        with self._lock:
            if self._next is None and self._waiting:
                self._next = self._waiting.popleft()
                self._bytes -= _size(self._next)
            return self._next

    def _take(self) -> None:
        self._next = None

    def close(self) -> None:
        """Lets go of what waits, and of what comes: the input may be read on for its frames."""
        with self._lock:
            self._let_go = True
            self._waiting.clear()
            self._bytes = 0

    def has_video_after(self, time_s: float) -> bool:
        """See `Sound`."""
        return not self.ended


def _size(packet: Any) -> int:
    return int(packet.size) + _PACKET_BYTES
