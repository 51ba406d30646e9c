"""On which frames the detector runs: a function of media time, never of the machine's speed, unless
frames are dropped."""

from __future__ import annotations

import math
from collections import deque
from typing import Literal

MAX_WAIT_S = 0.2
"""No new face waits longer, from the first frame that shows it to its first detection."""
_INTERVALS = 16
"""Frame intervals remembered; the longest of them is how late the next frame may be."""
_ROUNDING_S = 1e-6
PRESSED_SPACING = 3
"""Frames from one detection to the next, at least, where frames are dropped. On a CPU a detection
costs about six times what following and reading a face does: on every analysed frame it would leave
so few of them that new faces, too, were found hardly sooner."""
_PRESSED_MAX_WAIT_S = 1.0
"""Media time since the last detection from which on that does not hold."""


class DetectionSchedule:
    """Decides for each frame of one stream, in order, whether the detector runs.

    With `auto`, the detector runs on a frame if the next one may come more than `MAX_WAIT_S` after
    the first frame that followed the last detection, given the frame intervals seen so far: that
    first frame is the earliest that can show a face which the last detection did not. Hence no new
    face waits longer, unless two frames follow each other later than any before them; then the
    detector runs on the second.

    Args:
        every: run on every n-th frame, or `auto`.

    Raises:
        ValueError: `every` is less than 1.
    """

    def __init__(self, every: int | Literal["auto"]) -> None:
        if every != "auto" and every < 1:
            raise ValueError(f"detection interval must be at least 1 frame, got {every}")
        self._every = every
        self._intervals_s: deque[float] = deque(maxlen=_INTERVALS)
        self._drops: deque[int] = deque(maxlen=_INTERVALS)
        self._last_frame_s: float | None = None
        self._last_index: int | None = None
        self._last_detected_s = 0.0
        self._first_after_s: float | None = None
        self._followed = 0
        self._segment = 0
        self._can_wait = False

    @property
    def can_wait(self) -> bool:
        """Whether the detection that `due` has asked for may run on the next frame instead, where
        `due` will ask again."""
        return self._can_wait

    @property
    def pressed(self) -> bool:
        """Whether frames have been dropped lately."""
        return any(self._drops)

    def since_detected_s(self, time_s: float) -> float:
        """Media time from the last detection to this, in seconds."""
        return time_s - self._last_detected_s

    def due(
        self,
        frame_index: int,
        time_s: float,
        *,
        dropped: int = 0,
        patience_s: float = math.inf,
        segment: int = 0,
        stretch: float = 1.0,
    ) -> bool:
        """Whether the detector runs on this frame. Call it once per frame.

        Args:
            frame_index: counts decoded frames.
            time_s: media time.
            dropped: frames that were dropped between the last one and this.
            patience_s: how long the tracker goes without a detection (`Tracker.patience_s`).
            segment: changes with the picture's size.
            stretch: how many times as long as else new faces may wait, to save time.
        """
        if self._last_frame_s is not None:
            self._intervals_s.append(max(time_s - self._last_frame_s, 0.0))
        self._drops.append(dropped)
        self._last_frame_s = time_s
        self._followed += 1
        self._can_wait = False
        if self._last_index is None or segment != self._segment:
            self._segment = segment
            return True
        if self._every != "auto":
            return frame_index - self._last_index >= self._every
        if self._first_after_s is None:
            self._first_after_s = time_s
        if time_s < self._last_detected_s or patience_s <= 0:
            return True
        if not self.pressed:
            until_s = time_s + max(self._intervals_s) - _ROUNDING_S
            return self._waits_too_long(until_s, patience_s, stretch)
        if time_s - self._last_detected_s >= max(_PRESSED_MAX_WAIT_S, MAX_WAIT_S * stretch):
            return True
        if self._followed < PRESSED_SPACING:
            return False
        self._can_wait = True
        return self._waits_too_long(time_s + _ROUNDING_S, patience_s, stretch)

    def _waits_too_long(self, until_s: float, patience_s: float, stretch: float) -> bool:
        assert self._first_after_s is not None  # set by the first frame after a detection
        return (
            until_s - self._first_after_s > MAX_WAIT_S * stretch
            or until_s - self._last_detected_s > patience_s
        )

    def detected(self, frame_index: int, time_s: float) -> None:
        """Notes that the detector ran on this frame."""
        self._last_index = frame_index
        self._last_detected_s = time_s
        self._first_after_s = None
        self._followed = 0
