"""One stream's way through the pipeline: its source, its two channels, its outputs."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from streamfer.errors import StreamferError
from streamfer.media.sources.source import PendingFrame, Source
from streamfer.pipeline.channel import Channel, ChannelGroup
from streamfer.pipeline.cover import Cover, NoCover
from streamfer.pipeline.outlet import (
    MOST_AT_ONCE,
    EventSource,
    NoEvents,
    Outlet,
    OutputLedger,
    Sink,
)
from streamfer.types import Frame, FrameResult, StreamEvent, StreamInfo

log = logging.getLogger(__name__)

SinkFactory = Callable[[StreamInfo], list[Sink]]
"""Makes a stream's sinks when its first result or event arrives."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamPlan:
    """A stream that the pipeline shall run."""

    source: Source
    make_sinks: SinkFactory
    info: StreamInfo
    """What is known of it so far: everything of a source that is open already."""
    is_open: bool
    """Whether `source.open` has been called."""
    lossless: bool
    """Keep every frame (files) or the newest one (live)."""
    events: EventSource = field(default_factory=NoEvents)
    """Sees what happens in its results."""
    adjust: Callable[[FrameResult], FrameResult] = lambda result: result
    """What every result goes through on its way to the outputs."""
    cover: Cover = field(default_factory=NoCover)
    """What it goes through then."""


def due(waiting: Iterable[StreamPlan], files: int) -> list[StreamPlan]:
    """The streams that may start: live ones, and of files the first so many."""
    places = itertools.count(1)
    return [plan for plan in waiting if plan.info.live or next(places) <= files]


class Lane:
    """One stream's place in a running pipeline.

    Args:
        group: the pipeline's channels.
        plan: what to run.
        queue_size: frames that wait at most before and after the analyzer; before it, a stream
            that drops keeps one.
        max_frames: frames to analyse at most; None for all.
    """

    def __init__(
        self, group: ChannelGroup, plan: StreamPlan, queue_size: int, max_frames: int | None
    ) -> None:
        self.plan = plan
        self.name = plan.info.stream
        self.info = plan.info
        self.inbox: Channel[PendingFrame | Frame] = Channel(
            group,
            queue_size if plan.lossless else 1,
            "block" if plan.lossless else "drop_oldest",
            watched=True,
        )
        self.outbox: Channel[FrameResult | StreamEvent] = Channel(group, queue_size, watched=True)
        self.at_once = max(1, min(queue_size // 2, MOST_AT_ONCE))
        """Results that its outputs take in one go, if so many wait."""
        self.remaining = max_frames
        """Frames it may still analyse; None for no limit."""
        self.time_s = 0.0
        """Media time of the newest analysed frame, in seconds."""
        self.at_end = False
        """Whether all that shall be analysed has been read."""
        self.unconverted = 0
        """Frames that could not be converted, and those dropped before them, since the last that
        could."""
        self.interrupted = False
        """Whether it was ended before that."""
        self.failure: StreamferError | None = None
        """Why the source ended early."""

    def interrupt(self) -> None:
        """Makes the source end; one of somebody's own that fails in this must not stop the rest."""
        try:
            self.plan.source.interrupt()
        except Exception as error:
            log.warning("%s: interrupting its source: %r", self.name, error)

    def open_outlet(self, ledger: OutputLedger, happened: Callable[[StreamEvent], None]) -> Outlet:
        """What takes the stream's results and events to its outputs.

        Args:
            ledger: of the outputs of all streams.
            happened: told of every event.
        """
        make = self.plan.make_sinks
        events, adjust = self.plan.events, self.plan.adjust
        return Outlet(
            self.name,
            lambda: make(self.info),
            ledger,
            events=events,
            on_event=happened,
            adjust=adjust,
            cover=self.plan.cover,
            is_cancelled=lambda: self.outbox.cancelled,
        )

    def learns_size(self, event: StreamEvent) -> bool:
        """Takes over the size of a live stream, first or changed; whether the event tells one."""
        if "width" not in event.details:
            return False
        size = {side: event.details[side] for side in ("width", "height")}
        self.info = dataclasses.replace(self.info, **size)
        return True
