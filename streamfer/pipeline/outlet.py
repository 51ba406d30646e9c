"""The end of a stream: hands results to its sinks and contains their failures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from streamfer.errors import OutputError, StreamferError
from streamfer.pipeline.cover import Cover, NoCover
from streamfer.types import FrameResult, StreamEvent

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Somewhere that a stream's results go: a video file, the records, the window.

    Used by the stream's output thread alone; a sink that several streams share does its own
    locking, and may be closed once per stream.
    """

    name: str
    """What error messages call it: a path, or `window`."""

    def write(self, result: FrameResult) -> None:
        """Takes one analysed frame; its image is this thread's to draw on.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def event(self, event: StreamEvent) -> None:
        """Takes one event, in order with the frames.

        Raises:
            OutputError: it cannot be written.
        """
        ...

    def close(self) -> None:
        """Completes the output. Closing twice is fine.

        Raises:
            OutputError: it cannot be completed.
        """
        ...


class EventSource(Protocol):
    """Sees what happens in a stream's results; used by the stream's output thread alone."""

    def update(self, result: FrameResult) -> Sequence[StreamEvent]:
        """Takes the next result; says what is known to have happened with it."""
        ...

    def end(self) -> Sequence[StreamEvent]:
        """Takes the end of the stream, or of its connection."""
        ...


class NoEvents:
    """Sees nothing."""

    def update(self, result: FrameResult) -> Sequence[StreamEvent]:
        """See `EventSource`."""
        return ()

    def end(self) -> Sequence[StreamEvent]:
        """See `EventSource`."""
        return ()


class OutputLedger:
    """Knows which outputs of all streams still work, and which have failed.

    One output's failure leaves the analysis and the other outputs running, unless none is left.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._working: dict[str, int] = {}
        self._failures: dict[str, OutputError] = {}

    @property
    def failures(self) -> tuple[tuple[str, StreamferError], ...]:
        """(output name, error) of those that failed."""
        with self._lock:
            return tuple(self._failures.items())

    def opened(self, name: str) -> None:
        """Notes a stream's use of an output."""
        with self._lock:
            self._working[name] = self._working.get(name, 0) + 1

    def closed(self, name: str) -> None:
        """Notes the end of a stream's use of an output."""
        with self._lock:
            if name in self._working:
                self._working[name] -= 1

    def has_failed(self, name: str) -> bool:
        """Whether another stream found the shared output broken."""
        with self._lock:
            return name in self._failures

    def failed(self, name: str, error: OutputError) -> None:
        """Notes a failure.

        Raises:
            OutputError: `error`, where no other output is left that would justify going on.
        """
        with self._lock:
            self._working.pop(name, None)
            self._failures[name] = error
            if not self._working:
                raise error


class Outlet:
    """Hands one stream's results and events to its sinks, in order.

    Args:
        stream: the stream's name.
        make_sinks: called once, with the first item.
        ledger: the run's account of outputs.
        events: sees what happens in the results, so that every sink gets it in order with them.
        on_event: is told of every event as well.
        adjust: what every result goes through first.
        cover: what it goes through then, and may wait in.
    """

    def __init__(
        self,
        stream: str,
        make_sinks: Callable[[], Sequence[Sink]],
        ledger: OutputLedger,
        events: EventSource | None = None,
        on_event: Callable[[StreamEvent], None] = lambda event: None,
        adjust: Callable[[FrameResult], FrameResult] = lambda result: result,
        cover: Cover | None = None,
    ) -> None:
        self._stream = stream
        self._events = events or NoEvents()
        self._on_event = on_event
        self._adjust = adjust
        self._cover = cover or NoCover()
        self._make_sinks = make_sinks
        self._ledger = ledger
        self._sinks: list[Sink] | None = None

    def put(self, item: FrameResult | StreamEvent) -> None:
        """Writes a result, with the events that it makes, or an event to every sink that still
        works.

        Raises:
            OutputError: the run's last output has failed.
        """
        if isinstance(item, FrameResult):
            for ready in self._cover.take(self._adjust(item)):
                self._put(ready)
        else:
            self._put_rest()
            if item.event in ("disconnected", "error"):  # nothing of it is seen any more
                self._tell_end()
            self._tell(item)

    def _put(self, result: FrameResult) -> None:
        following = self._events.update(result)  # before a sink draws into its picture
        self._write(result)
        for event in following:
            self._tell(event)

    def _put_rest(self) -> None:
        for held in self._cover.rest():
            self._put(held)

    def _tell(self, event: StreamEvent) -> None:
        self._on_event(event)
        self._write(event)

    def _tell_end(self) -> None:
        for event in self._events.end():
            self._tell(event)

    def _write(self, item: FrameResult | StreamEvent) -> None:
        for sink in self._opened():
            if self._ledger.has_failed(sink.name):
                self._discard(sink)
                continue
            try:
                _hand_over(sink, item)
            except OutputError as error:
                self._failed(sink, error, item)

    def close(self) -> None:
        """Completes every sink, whatever happens to some.

        Raises:
            OutputError: the first that could not be completed, if no other output is left.
        """
        last: OutputError | None = None
        try:
            self._put_rest()
            if self._sinks:
                self._tell_end()
        except OutputError as error:
            last = error
        sinks, self._sinks = self._sinks or [], []
        for sink in sinks:
            try:
                sink.close()
                self._ledger.closed(sink.name)
            except OutputError as error:
                try:
                    self._ledger.failed(sink.name, error)
                except OutputError as fatal:
                    last = fatal
        if last is not None:
            raise last

    def _opened(self) -> list[Sink]:
        if self._sinks is None:
            self._sinks = list(self._make_sinks())
            for sink in self._sinks:
                self._ledger.opened(sink.name)
        return list(self._sinks)

    def _failed(self, sink: Sink, error: OutputError, item: FrameResult | StreamEvent) -> None:
        self._discard(sink)
        self._ledger.failed(sink.name, error)
        log.warning("%s; the other outputs go on", error)
        time_s = item.frame.time_s if isinstance(item, FrameResult) else item.time_s
        self._tell(StreamEvent(self._stream, "error", time_s, details={"message": str(error)}))

    def _discard(self, sink: Sink) -> None:
        """Closes a broken sink as well as can be; its error is already known."""
        if self._sinks is not None:
            self._sinks.remove(sink)
        try:
            sink.close()
        except OutputError as error:
            log.debug("closing %s after its failure: %s", sink.name, error)


def _hand_over(sink: Sink, item: FrameResult | StreamEvent) -> None:
    if isinstance(item, StreamEvent):
        sink.event(item)
    else:
        sink.write(item)
