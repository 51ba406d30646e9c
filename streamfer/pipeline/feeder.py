"""The beginning of a stream: opens its source and feeds its frames into the lane."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Callable

import numpy as np

from streamfer.errors import SourceError, StreamferError
from streamfer.media.sources.source import PendingFrame
from streamfer.pipeline.lane import Lane
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import Frame, StreamEvent, StreamInfo

log = logging.getLogger(__name__)


class Feeder:
    """Feeds lanes, each on the thread of its source.

    Args:
        statistics: where decoded frames are counted.
        times: where the time of decoding and conversion is counted.
        post: takes an event to its stream's outputs.
    """

    def __init__(
        self, statistics: RunStatistics, times: StageTimes, post: Callable[[StreamEvent], object]
    ) -> None:
        self._statistics = statistics
        self._times = times
        self._post = post

    def feed(self, lane: Lane) -> None:
        """Decodes a lane's source to its end, or until the lane takes no more.

        Raises:
            StreamferError: the source failed.
        """
        if not lane.plan.is_open:
            self._open(lane)
        if not lane.info.unrepeatable:  # live sources say themselves when they are up
            self._statistics.set_state(lane.name, "running")
            log.info("%s: begins%s", lane.name, _said_of(lane.info))
        frames = iter(lane.plan.source.frames())
        last_s = -math.inf
        while True:
            with self._times.stage("decode"):
                item = next(frames, None)
            if item is None:
                log.info("%s: no more frames", lane.name)
                return
            if isinstance(item, StreamEvent):
                self._post(dataclasses.replace(item, stream=lane.name))
                continue
            if isinstance(item, Frame):
                item = _checked(item, last_s, lane.name)
                last_s = item.time_s
            self._statistics.decoded(lane.name)
            # What is never dropped is converted here, beside the analyzer; what may be dropped,
            # only once it is admitted.
            if not lane.inbox.put(self.convert(lane, item, 0) if lane.plan.lossless else item):
                return

    def convert(self, lane: Lane, item: PendingFrame | Frame, dropped: int) -> Frame:
        """The RGB frame of what a source gave; `dropped` were dropped before it.

        Raises:
            SourceError: the picture cannot be converted.
        """
        if isinstance(item, Frame):
            same = item.stream == lane.name and item.dropped == dropped
            return item if same else dataclasses.replace(item, stream=lane.name, dropped=dropped)
        with self._times.stage("convert"):
            frame = item.to_frame(lane.name, dropped)
        self._times.wrote("convert", frame.image.nbytes)
        return frame

    @staticmethod
    def close(lane: Lane) -> None:
        """Closes a lane's source and the lane's beginning."""
        try:
            lane.plan.source.close()
        except StreamferError as error:
            log.debug("closing %s: %s", lane.name, error)
        except Exception as error:  # of somebody's own source: what it gave is not lost for it
            log.warning("%s: closing its source: %r", lane.name, error)
        finally:
            lane.inbox.close()

    def _open(self, lane: Lane) -> None:
        lane.info = lane.plan.source.open()
        self._statistics.opened(lane.info)
        if not lane.info.live:
            # The records' header was written before this file's size was known.
            size = {"width": lane.info.width, "height": lane.info.height}
            lane.outbox.push(StreamEvent(lane.name, "opened", 0.0, details=size))


def _said_of(info: StreamInfo) -> str:
    size = f", {info.width} × {info.height} px" if info.width else ""
    return size + (f", {info.frame_rate:.4g} frames/s" if info.frame_rate else "")


def _checked(frame: Frame, last_s: float, name: str) -> Frame:
    """A frame of somebody's own source as outputs can bear it: in one piece that may be drawn on.

    Raises:
        SourceError: its picture or time is wrong.
    """
    image = frame.image
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.shape[2:] == (3,)):
        raise SourceError(f"{name}: frame {frame.index}: its image is not (H, W, 3) uint8")
    if not image.size:
        raise SourceError(f"{name}: frame {frame.index}: its image has no pixels")
    if not last_s < frame.time_s < math.inf:
        raise SourceError(
            f"{name}: frame {frame.index}: its time, {frame.time_s} s, is not after that of the"
            " frame before"
        )
    usable = np.require(image, requirements=["C", "W"])
    return frame if usable is image else dataclasses.replace(frame, image=usable)
