"""Time on live streams: media time over reconnects, the pace of bursts, the wait between tries."""

from __future__ import annotations

from fractions import Fraction

from streamfer.media.sources.timeline import Instant, Timeline

ASSUMED_FRAME_S = 1 / 25
"""Duration of a frame where a stream declares no rate, in seconds."""
_JUMP_AHEAD_S = 10.0
"""A PTS that runs ahead of the time passed by this much is a jump of the sender's clock."""
_JUMP_BACK_S = 1.0
"""So is one that goes back by this much; less is disorder."""
_LATE_S = 1.0
"""A paced stream that is later than this starts its pace anew."""
_NEVER_WAITED_S = 30.0
"""If no picture had to be waited for in this time, which is longer than a playlist's segments, more
of them wait to be read."""
_FASTER = 0.001
"""By how much such a stream is played faster: clocks differ by less, and nobody sees it."""


class LiveTimeline:
    """Media time of one stream over all its connections, strictly increasing.

    Within a connection it follows the PTS. What PTS cannot tell, the time between two arrivals
    does: how long a connection was lost, and how long a frame lasted before which the sender's
    clock jumped ahead.
    """

    def __init__(self) -> None:
        self._timeline: Timeline | None = None
        self._time_base = Fraction(1, 90_000)
        self._frame_s = ASSUMED_FRAME_S
        self._fresh = True
        self._last_pts_s: float | None = None
        self._arrived_s = 0.0
        self.time_s = 0.0
        """Media time of the newest frame, in seconds."""
        self.jump_s: float | None = None
        """By how much the sender's clock jumped before the newest frame; None: it did not."""

    @property
    def time_base(self) -> Fraction:
        """Of the instants: that of the first connection."""
        return self._timeline.time_base if self._timeline else self._time_base

    def connect(self, time_base: Fraction, frame_rate: float | None) -> None:
        """PTS start anew with the next frame.

        Args:
            time_base: seconds per unit of the PTS from now on.
            frame_rate: declared frames/s.
        """
        self._time_base = time_base
        self._frame_s = 1 / frame_rate if frame_rate else ASSUMED_FRAME_S
        self._fresh = True

    def place(self, pts: int | None, arrived_s: float) -> Instant:
        """The time of the next frame.

        Args:
            pts: its own, in the connection's time base; None where it has none.
            arrived_s: when it came, on the monotonic clock.
        """
        pts_s = None if pts is None else float(pts * self._time_base)
        self.jump_s = None if self._fresh else self._jump_s(pts_s, arrived_s)
        if self._timeline is None:
            self._timeline = Timeline(self._time_base, self._frame_s)
        elif self._fresh or self.jump_s is not None:
            gap_s = arrived_s - self._arrived_s
            self._timeline.restart(gap_s if gap_s > self._frame_s else 0.0, self._time_base)
        if pts is not None:
            self._fresh = False
        self._last_pts_s = pts_s
        self._arrived_s = arrived_s
        instant = self._timeline.place(pts)
        self.time_s = instant.time_s
        return instant

    def _jump_s(self, pts_s: float | None, arrived_s: float) -> float | None:
        if pts_s is None or self._last_pts_s is None:
            return None
        step_s = pts_s - self._last_pts_s
        passed_s = arrived_s - self._arrived_s
        if -_JUMP_BACK_S <= step_s <= passed_s + _JUMP_AHEAD_S:
            return None
        return step_s - passed_s


class Pace:
    """Spreads pictures that come in bursts over their own time, as a playlist's segments do.

    Where the sender's clock is the faster one, more and more pictures would wait to be read, and be
    seen later and later. So a stream is played a little faster while it seems never to be waited
    for; once it is, it is played as fast as it comes.
    """

    def __init__(self) -> None:
        self._zero_s: float | None = None
        self._waited_at_s = 0.0
        """When a picture had last to be waited for, which then came late."""
        self._asked_at_s = 0.0

    def delay_s(self, time_s: float, now_s: float) -> float:
        """How long to hold back the picture of media time `time_s`, in seconds."""
        if self._zero_s is None or now_s - (self._zero_s + time_s) > _LATE_S:
            self._zero_s = now_s - time_s
        early_s = self._zero_s + time_s - now_s
        if early_s <= 0:
            self._waited_at_s = now_s
        elif now_s - self._waited_at_s > _NEVER_WAITED_S:
            sooner_s = min((now_s - self._asked_at_s) * _FASTER, early_s)
            self._zero_s -= sooner_s
            early_s -= sooner_s
        self._asked_at_s = now_s
        return max(early_s, 0.0)


def backoff_s(failures: int, shortest_s: float, longest_s: float, jitter: float) -> float:
    """Seconds to wait before the next try.

    The upper limit doubles with every failure; the wait is drawn evenly from the shortest up to
    it, so that many streams of one server don't come back in step.

    Args:
        failures: tries in a row that failed, from 1.
        shortest_s: never wait less.
        longest_s: never wait more.
        jitter: random number in [0, 1).
    """
    ceiling_s = min(longest_s, shortest_s * 2.0 ** min(failures - 1, 16))
    return min(shortest_s, ceiling_s) + max(ceiling_s - shortest_s, 0.0) * jitter
