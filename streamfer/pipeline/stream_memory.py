"""What the analyzer remembers of each stream, and what it does with the streams' frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from streamfer.labels import LabelSet
from streamfer.pipeline.refine.residual import ResidualConfig
from streamfer.tracking.schedule import DetectionSchedule
from streamfer.tracking.smoothing import ProbabilitySmoother, SmoothingConfig
from streamfer.tracking.tracker import Tracker, TrackerConfig
from streamfer.types import Frame
from streamfer.vision.detection.search import StreamSearch


@dataclass(frozen=True, slots=True)
class AnalyzerConfig:
    """What the analyzer does with each frame."""

    detect_every: int | Literal["auto"] = "auto"
    """Run the detector on every n-th frame, or as often as new faces need it."""
    search_everywhere: bool = False
    """Look at every place of a file's pictures in each detection, not by turns."""
    label_set: LabelSet = "ferplus"
    """Which head of the network answers."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    faint_at_once: bool = False
    """Report a face that may be none at once, instead of when it was found twice; see `Tracker`."""
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    residual: ResidualConfig = field(default_factory=ResidualConfig)
    """How fast refined latent codes fade; without a refiner of no matter."""
    draw_all: bool = True
    """Draw every face in every frame, for somebody to see; see `LatentMemory`."""


class StreamMemory:
    """What the analyzer remembers of one stream between frames."""

    def __init__(self, config: AnalyzerConfig) -> None:
        self.tracker = Tracker(config.tracker, at_once=config.faint_at_once)
        self.schedule = DetectionSchedule(config.detect_every)
        self.search = StreamSearch()
        self.smoother = ProbabilitySmoother(config.smoothing)
        self._config = config
        self._segment: int | None = None
        """Of the last frame in which faces were looked for."""
        self._stretch = 1.0

    def detection_due(self, frame: Frame, stretch: float = 1.0) -> bool:
        """Whether the faces are to be looked after in a frame; asked once for each.

        Args:
            frame: the next one.
            stretch: how many times as long as else a live stream's new faces may wait from here on.
        """
        self._stretch = 1.0 if frame.wall is None else stretch
        return self.schedule.due(
            frame.index,
            frame.time_s,
            dropped=frame.dropped,
            patience_s=self.tracker.patience_s,
            segment=frame.segment,
            stretch=self._stretch,
        )

    def tile_due(self, frame: Frame) -> bool:
        """Whether a tile is to be searched in a frame in which they are not."""
        if self._config.detect_every != "auto" or self._everywhere(frame):
            return False
        return self.search.tile_due(
            frame.image, frame.time_s, hurried=self.schedule.pressed, stretch=self._stretch
        )

    def search_for(self, frame: Frame) -> StreamSearch:
        """Where to look: everywhere, from all sides, in a file's first picture, maybe its only."""
        is_first = frame.segment != self._segment and frame.wall is None
        self._segment = frame.segment
        self.search.begin(
            frame.image,
            frame.time_s,
            self.tracker.boxes_xyxy,
            self.tracker.lost,
            self.tracker.quarter_turns,
            everywhere=is_first or self._everywhere(frame),
            from_all_sides=is_first,
            hurried=self.schedule.pressed,
            stretch=self._stretch,
        )
        return self.search

    def _everywhere(self, frame: Frame) -> bool:
        return self._config.search_everywhere and frame.wall is None


def rounds(frames: Sequence[Frame]) -> list[list[int]]:
    """Indices of the frames: first every stream's first frame, then every second one, …"""
    seen: dict[str, int] = {}
    rounds: list[list[int]] = []
    for index, frame in enumerate(frames):
        place = seen.get(frame.stream, 0)
        seen[frame.stream] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append(index)
    return rounds
