"""The times of sound: in step with the repaired times of its video, and in order."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from streamfer.media.sources.timeline import JITTER_S

_NEAR_S = 1.0
"""How far the sound after a reset may begin from where the sound before it ended."""

LARGEST_STEP = 2**31 - 1
"""Ticks from one packet to the next that MP4 can count; FFmpeg ends the process at more."""

_COUNTS_EQUAL_TIMES = frozenset({"matroska"})
"""Containers in which packets may share a time."""


class AudioClock:
    """Moves the packets of a file as the frames of its video are moved.

    The clock of a spliced file is reset for sound and video at about the same place of the file,
    one a little before the other. Sound that comes first waits until the video says how far it was
    moved.

    Args:
        longest_gap_s: a step ahead of more seconds is a reset.
    """

    def __init__(self, longest_gap_s: float = math.inf) -> None:
        self._longest_gap_s = longest_gap_s
        self._shift_s = Fraction(0)
        self._last_s: Fraction | None = None
        """When the packet before began, on the file's clock."""
        self._end_s = Fraction(0)
        """When it ended, on the video's clock."""
        self._video_shifts_s = [Fraction(0)]
        self._begun = False

    @property
    def time_s(self) -> float:
        """When the packet passed last begins, on the video's clock, in seconds."""
        return float((self._last_s or 0) + self._shift_s)

    def begin(self, time_s: Fraction, video_shift_s: Fraction) -> None:
        """Says when the first frame is, and how far it was moved: not at all, but in a part of a
        file whose clock was reset before."""
        self._end_s = time_s
        self._shift_s = video_shift_s
        self._video_shifts_s = [video_shift_s]
        self._begun = True

    def shift_s(self, packet: Any, video_shift_s: Fraction | None, last: bool) -> Fraction | None:
        """By how much the next packet is moved, in seconds; None: the video has to say.

        Args:
            packet: the next one, with PTS.
            video_shift_s: how far the video is moved by now; None where it cannot say.
            last: the video says nothing more.
        """
        if video_shift_s is not None and video_shift_s != self._video_shifts_s[-1]:
            self._video_shifts_s.append(video_shift_s)
        begin_s = packet.pts * packet.time_base
        if self._follows(begin_s):
            return self._shift_s
        # The shift that brings it nearest to the end of the sound before, if one does.
        gaps_s = [
            (abs(begin_s + s - self._end_s), s)
            for s in self._video_shifts_s
            if s != self._shift_s or begin_s + s > self._end_s  # it went back by that one
        ]
        distance_s, shift_s = min(gaps_s, default=(math.inf, self._shift_s))
        if distance_s <= _NEAR_S:
            return shift_s
        return self._end_s - begin_s if last or video_shift_s is None else None

    def passed(self, packet: Any) -> Fraction:
        """Notes that a packet was given out, before it is moved; by how much it is, in seconds."""
        begin_s = packet.pts * packet.time_base
        if not self._follows(begin_s):
            shift_s = self.shift_s(packet, None, last=True)
            assert shift_s is not None  # the video has no say any more
            self._shift_s = shift_s
        self._last_s = begin_s
        self._end_s = begin_s + (packet.duration or 0) * packet.time_base + self._shift_s
        return self._shift_s

    def _follows(self, begin_s: Fraction) -> bool:
        """Whether a packet's own time goes on from the one before, or from the video's begin."""
        if self._last_s is not None:
            return self._goes_on(begin_s - self._last_s)
        away_s = abs(begin_s + self._shift_s - self._end_s)
        return not self._begun or away_s <= self._longest_gap_s

    def _goes_on(self, step_s: Fraction) -> bool:
        return -JITTER_S <= step_s <= self._longest_gap_s


class PacketOrder:
    """Keeps the packets of one output stream in the order of time, whatever the input says.

    No packet is left out: one that begins too early begins as early as it can, and one after too
    long a gap follows at once.

    Args:
        output: the PyAV container to write to.
        stream: its stream.
    """

    def __init__(self, output: Any, stream: Any) -> None:
        self._stream = stream
        self._step = 0 if output.format.name in _COUNTS_EQUAL_TIMES else 1
        self._last: int | None = None
        self._closed = 0
        self._stream_base: Fraction | None = None
        """Of the stream, once the file has a header."""
        self._packet_base = (0, 1)
        self._ratio = Fraction(1)
        """Of the two."""

    def straighten(self, packet: Any) -> None:
        """Gives a packet times that can be written, in the time base of the stream."""
        if self._stream_base is None:
            self._stream_base = self._stream.time_base
        base = packet.time_base
        parts = base.numerator, base.denominator  # fractions take long to compare
        if parts != self._packet_base:
            self._packet_base, self._ratio = parts, base / self._stream_base
        pts = rescaled(packet.pts, self._ratio) - self._closed
        dts = rescaled(packet.dts, self._ratio) - self._closed
        if self._last is not None:
            earliest = self._last + self._step
            if dts - self._last > LARGEST_STEP:
                self._closed += dts - earliest
                pts, dts = pts - dts + earliest, earliest
            dts = max(dts, earliest)
        packet.duration = rescaled(packet.duration or 0, self._ratio)
        packet.time_base = self._stream_base
        packet.dts, packet.pts = dts, max(pts, dts)
        self._last = dts


def rescaled(ticks: int, ratio: Fraction) -> int:
    """Ticks of one clock in those of another, rounded: a tenth of what `Fraction` takes for it.

    Args:
        ticks: of the one.
        ratio: how long one of them is, in ticks of the other.
    """
    above, below = ratio.numerator, ratio.denominator
    return (2 * ticks * above + below) // (2 * below)


def move(packet: Any, offset_s: Fraction) -> None:
    """Moves a packet by some seconds."""
    offset = round(offset_s / packet.time_base)
    packet.dts += offset
    packet.pts += offset
