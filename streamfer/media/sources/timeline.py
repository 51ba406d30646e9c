"""The one rule that repairs presentation times.

Everything that needs a frame's time uses it: the sources, and through them the video writer, the
records and `streamfer verify`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

JITTER_S = 0.2
"""A step back of at most this many seconds is jitter; a longer one may be a reset."""

_JITTER_FRAMES = 4
"""As many frames are jitter too: they may be out of order."""

_LONGEST_GAP_S = {"mpegts": 60.0, "mpeg": 60.0}
"""A step ahead of more seconds than this is a reset in these formats. Their clock has 33 bits and
must show itself every 0.7 s (ISO/IEC 13818-1, 2.7.4); FFmpeg takes a step back for a clock that has
run over, and shows it as one of up to 26.5 hours ahead."""


def longest_gap_s(container_format: str) -> float:
    """Seconds between two frames of a file above which its clock was reset; else infinity."""
    return _LONGEST_GAP_S.get(container_format, math.inf)


@dataclass(frozen=True, slots=True)
class Instant:
    """A frame's repaired time."""

    pts: int
    """In units of the timeline's time base, strictly increasing."""
    time_s: float
    """Seconds since the first frame, strictly increasing."""
    shift: int = 0
    """By how much PTS are moved from here on, in the same units."""


class Timeline:
    """Gives each frame of one stream, in decoding order, a strictly increasing time.

    A PTS that is later than all before it is kept as it is. Otherwise, and in this order:

    - missing: one frame duration after the frame before;
    - repeated, or back by at most a fifth of a second or four frames: one tick after the frame
      before, so that the frames that follow can keep their own;
    - back by more than that, or ahead by more than `longest_gap_s`: treated as missing; if the
      next one goes on from there, the clock was reset (spliced files), and from here on all PTS are
      shifted to continue without a gap;
    - after `restart` (the next round of a loop, a reconnect): shifted to continue.

    Args:
        time_base: of the instants, and of the PTS given until a `restart` says otherwise.
        frame_duration_s: nominal, in seconds; what a frame without a usable PTS advances by.
        longest_gap_s: see the function of that name.
    """

    def __init__(
        self, time_base: Fraction, frame_duration_s: float, longest_gap_s: float = math.inf
    ) -> None:
        self._time_base = time_base
        self._input_time_base = time_base
        self._step = max(1, round(frame_duration_s / time_base))
        self._jitter = max(round(JITTER_S / time_base), _JITTER_FRAMES * self._step)
        self._longest_gap = longest_gap_s / float(time_base)
        self._offset = 0
        self._start: int | None = None
        self._last = 0
        self._gap: int | None = None
        self._suspect: tuple[int, int] | None = None

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of `Instant.pts`."""
        return self._time_base

    def fresh(self) -> Timeline:
        """A new one that repairs in the same way."""
        step_s = float(self._step * self._time_base)
        gap_s = self._longest_gap * float(self._time_base)
        return Timeline(self._time_base, step_s, gap_s)

    def restart(self, gap_s: float = 0.0, time_base: Fraction | None = None) -> None:
        """The next PTS starts anew: the next frame follows the last one without overlap.

        Args:
            gap_s: seconds from the last frame to the next; 0: one nominal frame duration.
            time_base: of the PTS from now on; None: as before.
        """
        self._input_time_base = time_base or self._input_time_base
        self._suspect = None
        if self._start is not None:
            self._gap = max(1, round(gap_s / self._time_base)) if gap_s > 0 else self._step

    def place(self, pts: int | None) -> Instant:
        """The time of the next frame, whose own PTS this is."""
        raw = None if pts is None else self._rescaled(pts)
        if self._start is None:
            self._start = placed = raw if raw is not None else 0
        elif self._gap is not None:
            placed = self._place_after_restart(raw, self._gap)
        else:
            placed = self._place_next(raw)
        self._last = placed
        shift = self._offset
        if self._suspect is not None:  # a reset, if the next frame agrees
            shift = self._suspect[1] - self._suspect[0]
        return Instant(placed, float((placed - self._start) * self._time_base), shift)

    def _rescaled(self, pts: int) -> int:
        if self._input_time_base == self._time_base:
            return pts
        return round(pts * self._input_time_base / self._time_base)

    def _place_after_restart(self, raw: int | None, gap: int) -> int:
        placed = self._last + gap
        if raw is None:
            self._gap = self._step
        else:
            self._gap = None
            self._offset = placed - raw
        return placed

    def _place_next(self, raw: int | None) -> int:
        if raw is None:
            return self._last + self._step
        suspect, self._suspect = self._suspect, None
        wanted = raw + self._offset
        if self._last < wanted <= self._last + self._longest_gap:
            return wanted
        if 0 <= self._last - wanted <= self._jitter:
            return self._last + 1
        if suspect is not None and 0 < raw - suspect[0] <= self._longest_gap:
            self._offset = suspect[1] - suspect[0]
            return max(raw + self._offset, self._last + 1)
        placed = self._last + self._step
        self._suspect = (raw, placed)
        return placed
