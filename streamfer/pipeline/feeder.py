"""The beginning of a stream: opens its source and feeds its frames into the lane."""

from __future__ import annotations

import logging

from streamfer.errors import StreamferError
from streamfer.media.sources.source import PendingFrame
from streamfer.pipeline.lane import Lane
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import Frame, StreamEvent

log = logging.getLogger(__name__)


class Feeder:
    """Feeds lanes, each on the thread of its source.

    Args:
        statistics: where decoded frames are counted.
        times: where the time of decoding and conversion is counted.
    """

    def __init__(self, statistics: RunStatistics, times: StageTimes) -> None:
        self._statistics = statistics
        self._times = times

    def feed(self, lane: Lane) -> None:
        """Decodes a lane's source to its end, or until the lane takes no more.

        Raises:
            StreamferError: the source failed.
        """
        if not lane.plan.is_open:
            self._open(lane)
        if not lane.plan.info.live:
            self._statistics.set_state(lane.name, "running")
        frames = iter(lane.plan.source.frames())
        while True:
            with self._times.stage("decode"):
                pending = next(frames, None)
            if pending is None:
                return
            self._statistics.decoded(lane.name)
            # What is never dropped is converted here, beside the analyzer; what may be dropped,
            # only once it is admitted.
            item = self.convert(lane, pending, 0) if lane.plan.lossless else pending
            if not lane.inbox.put(item):
                return

    def convert(self, lane: Lane, pending: PendingFrame, dropped: int) -> Frame:
        """The RGB frame of a decoded picture; `dropped` were dropped before it.

        Raises:
            SourceError: the picture cannot be converted.
        """
        with self._times.stage("convert"):
            return pending.to_frame(lane.name, dropped)

    @staticmethod
    def close(lane: Lane) -> None:
        """Closes a lane's source and the lane's beginning."""
        try:
            lane.plan.source.close()
        except StreamferError as error:
            log.debug("closing %s: %s", lane.name, error)
        lane.inbox.close()

    def _open(self, lane: Lane) -> None:
        lane.info = lane.plan.source.open()
        self._statistics.add_stream(lane.info)
        if not lane.info.live:
            # The records' header was written before this file's size was known.
            size = {"width": lane.info.width, "height": lane.info.height}
            lane.outbox.push(StreamEvent(lane.name, "opened", 0.0, details=size))
