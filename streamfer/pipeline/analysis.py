"""The analyzer's thread: takes batches, has them analysed, gives results to the outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from streamfer.errors import SourceError
from streamfer.pipeline.collector import Admission, Collector
from streamfer.pipeline.feeder import Feeder
from streamfer.pipeline.lane import Lane
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult, StreamEvent

log = logging.getLogger(__name__)


class Analyze(Protocol):
    """The analyzer as the pipeline sees it: an ordinary callable that starts no thread."""

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Analyses a batch; results in the order of the frames."""
        ...

    def forget(self, stream: str) -> None:
        """Frees what it keeps of a stream that has ended."""
        ...


class Analysis:
    """What the analyzer's thread does, from the collector to the lanes' outputs.

    Args:
        analyze: the analyzer.
        collector: gives the batches.
        feeder: converts what was not converted beside the analyzer.
        statistics: where frames and results are counted.
    """

    def __init__(
        self, analyze: Analyze, collector: Collector, feeder: Feeder, statistics: RunStatistics
    ) -> None:
        self._analyze = analyze
        self._collector = collector
        self._feeder = feeder
        self._statistics = statistics

    def run(self) -> None:
        """Analyses until the collector is closed."""
        while (collected := self._collector.next_batch()) is not None:
            batch, ended = collected
            if batch:
                self._analyze_batch(batch)
            for lane in ended:
                self._end_input(lane)

    def _analyze_batch(self, batch: list[Admission]) -> None:
        frames: list[Frame] = []
        lanes: list[Lane] = []
        for admission in batch:
            try:
                frames.append(self._admit(admission))
                lanes.append(admission.lane)
            except SourceError as error:  # one picture that cannot be converted
                log.warning("%s: %s", admission.lane.name, error)
                admission.lane.unconverted += admission.dropped + 1
                admission.lane.outbox.unreserve()
        for frame in frames:
            self._statistics.admitted(frame)
        for lane, result in zip(lanes, self._analyze(frames), strict=True):
            self._statistics.analysed(result)
            lane.time_s = result.frame.time_s
            lane.outbox.put_reserved(result)

    def _admit(self, admission: Admission) -> Frame:
        lane = admission.lane
        if lane.plan.lossless and isinstance(admission.item, Frame):
            return admission.item  # converted beside the analyzer
        frame = self._feeder.convert(lane, admission.item, admission.dropped + lane.unconverted)
        lane.unconverted = 0
        return frame

    def _end_input(self, lane: Lane) -> None:
        lane.at_end = True
        lane.interrupt()
        lane.inbox.cancel()
        unseen = lane.inbox.take_dropped() + lane.unconverted
        self._statistics.dropped_at_end(lane.name, unseen)
        self._analyze.forget(lane.name)
        if lane.failure is not None:
            details = {"message": str(lane.failure)}
            lane.outbox.push(StreamEvent(lane.name, "error", lane.time_s, details=details))
        lane.outbox.close()
