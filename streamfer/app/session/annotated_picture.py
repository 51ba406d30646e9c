"""The pictures that people see of a stream: its frames with the overlay."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from streamfer.pipeline.outlet import MOST_AT_ONCE
from streamfer.pipeline.stats.snapshots import StripFigures
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import Frame, FrameResult, UInt8Array
from streamfer.vision.overlay.drawing import Rect
from streamfer.vision.overlay.overlay import Overlay, StripInfo

_FIGURES_S = 0.5
"""Media time for which rate and latency are shown unchanged: figures that change in every frame
cannot be read, and their text would be drawn anew each time."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnPicture:
    """A frame with the overlay."""

    image: UInt8Array
    """(H, W, 3) uint8 RGB."""
    changed: tuple[Rect, ...]
    """Where it differs from the frame's image as that came."""


class AnnotatedPicture:
    """Draws the overlay over a result's frame once, for all sinks of a stream that show it.

    Args:
        overlay: what draws.
        statistics: where the strip's figures come from.
        times: where the time it takes is counted.
        in_place: whether it may draw into the frame itself, which saves a copy; not where somebody
            else keeps the result.
    """

    def __init__(
        self,
        overlay: Overlay,
        statistics: RunStatistics,
        times: StageTimes,
        *,
        in_place: bool = True,
    ) -> None:
        self._overlay = overlay
        self._in_place = in_place
        self._times = times
        self._statistics = statistics
        self._drawn = WeakKeyDictionary[FrameResult, DrawnPicture]()
        """Of the results that sinks are being handed: large pictures go when those go."""
        self._figures: StripFigures | None = None
        self._figures_s = 0.0
        """Media time from which they are."""

    def draw(self, result: FrameResult) -> DrawnPicture:
        """The frame with the overlay."""
        drawn = self._drawn.get(result)
        if drawn is not None:
            return drawn
        strip = self._strip(result.frame)
        with self._times.stage("overlay"):
            image = result.frame.image
            if not self._in_place:
                image = image.copy()
            changed = self._overlay.draw(image, result.faces, strip)
        written = sum((right - left) * (low - top) for left, top, right, low in changed)
        copied = 0 if self._in_place else image.nbytes
        self._times.wrote("overlay", 3 * written + copied)
        if len(self._drawn) == MOST_AT_ONCE:  # somebody keeps results
            del self._drawn[next(iter(self._drawn))]
        drawn = self._drawn[result] = DrawnPicture(image, changed)
        return drawn

    def _strip(self, frame: Frame) -> StripInfo:
        now = self._statistics.strip_figures(frame.stream)
        shown = self._figures
        if shown is None or not 0 <= frame.time_s - self._figures_s < _FIGURES_S:
            shown = self._figures = now
            self._figures_s = frame.time_s
        return StripInfo(
            stream=frame.stream,
            time_s=frame.time_s,
            fps=shown.fps,
            latency_ms=shown.latency_ms,
            dropped=now.dropped,
            live=frame.wall is not None,
        )
