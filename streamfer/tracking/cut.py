"""Hard cuts: where the whole picture is suddenly another one.

A face that takes another's place in a cut lies in its box and may look like it, so the picture as a
whole is compared too. What counts is a change that is large and stands out from those just before:
a pan or a shaking camera changes every frame, and a cut one.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array

_SIZE_WH = (32, 18)
_SAMPLED_WH = (64, 36)
"""Pixels that a picture is thinned to first, without a mean: it costs the same in 4K. They are few,
for each comes from memory that this thread has not touched yet."""
_LEAST = 0.15
"""Change from which on it may be a cut. Measured from frame to frame: below 0.04 in ordinary films,
0.3 at a cut between two portraits of the same composition."""
_CALM = 0.04
"""Change below which it is certainly the same shot; see `_LEAST`."""
_FAINT = 40.0
"""Length of the thumbnail below which its differences are noise: one level in each value."""
_AGAINST_RECENT = 4.0
"""Times the largest change of the last moments."""
_RECENT_S = 0.5
"""Time constant with which those are forgotten."""
_LONGEST_GAP_S = 0.5
"""Frames further apart differ without a cut."""


class CutDetector:
    """Looks at the frames of one stream, in order."""

    def __init__(self) -> None:
        self._before: FloatArray | None = None
        self._time_s = -math.inf
        self._recent = 0.0
        self._last_cut = 0.0
        self._follows = False

    @property
    def calm(self) -> bool:
        """Whether the last frame, and those just before it, certainly go on with the same shot."""
        return self._follows and self._recent < _CALM and self._last_cut == 0

    def is_cut(self, image: UInt8Array, time_s: float) -> bool:
        """Whether this frame is the first of another shot.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: media time.
        """
        picture = _thumbnail(image)
        before, self._before = self._before, picture
        passed_s, self._time_s = time_s - self._time_s, time_s
        self._follows = before is not None and passed_s <= _LONGEST_GAP_S
        if before is None or not self._follows:
            self._recent = self._last_cut = 0.0
            return False
        change = _change(before, picture)
        self._recent *= math.exp(-max(passed_s, 0.0) / _RECENT_S)
        if change > _LEAST:
            # No single jump, after all: motion that began suddenly.
            self._recent = max(self._recent, self._last_cut)
        cut = change > max(_LEAST, _AGAINST_RECENT * self._recent)
        self._last_cut = change if cut else 0.0
        if not cut:
            self._recent = max(self._recent, change)
        return cut


def _change(before: FloatArray, after: FloatArray) -> float:
    """0: the same shot, in whatever light (or as its negative); 1: nothing in common."""
    lengths = [max(float(np.sqrt(np.vdot(p, p))), _FAINT) for p in (before, after)]
    difference = after - before if np.vdot(before, after) >= 0 else after + before
    if float(np.sqrt(np.vdot(difference, difference))) < _FAINT:
        return 0.0
    return 1 - abs(float(np.vdot(before, after))) / (lengths[0] * lengths[1])


def _thumbnail(image: UInt8Array) -> FloatArray:
    """A blurred little picture without its mean, so that exposure doesn't count."""
    sampled = cv2.resize(image, _SAMPLED_WH, interpolation=cv2.INTER_NEAREST)
    small = cv2.resize(sampled, _SIZE_WH, interpolation=cv2.INTER_AREA)
    blurred: FloatArray = cv2.GaussianBlur(small.astype(np.float32), (0, 0), 1.0)
    return blurred - blurred.mean(axis=(0, 1))
