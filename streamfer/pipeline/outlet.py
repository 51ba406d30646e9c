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

MOST_AT_ONCE = 4
"""Results and events that one sink gets in a row before the next sink gets them."""


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
        """Notes the end of a stream's use of an output; with the last one's it works no more."""
        with self._lock:
            if name not in self._working:
                return
            self._working[name] -= 1
            if not self._working[name]:
                del self._working[name]

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
        is_cancelled: whether what was not written yet is to be discarded.
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
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stream = stream
        self._is_cancelled = is_cancelled
        self._events = events or NoEvents()
        self._on_event = on_event
        self._adjust = adjust
        self._cover = cover or NoCover()
        self._make_sinks = make_sinks
        self._ledger = ledger
        self._sinks: list[Sink] | None = None

    def put(self, items: Sequence[FrameResult | StreamEvent]) -> None:
        """Writes results, with the events that they make, and events to every sink that still
        works: all to one sink, then all to the next, since what was just done is done again in a
        fraction of the time.

        Raises:
            OutputError: the run's last output has failed.
        """
        self._write([ready for item in items for ready in self._ready(item)])

    def _ready(self, item: FrameResult | StreamEvent) -> list[FrameResult | StreamEvent]:
        """What is to be written of a result or event, in order, before a sink draws into its
        picture."""
        if isinstance(item, FrameResult):
            return self._seen(self._cover.take(self._adjust(item)))
        ready = self._seen(self._cover.rest())
        if item.event in ("disconnected", "error"):  # nothing of it is seen any more
            ready += self._events.end()
        return [*ready, item]

    def _seen(self, results: Sequence[FrameResult]) -> list[FrameResult | StreamEvent]:
        """Results, each followed by the events that it makes."""
        seen: list[FrameResult | StreamEvent] = []
        for result in results:
            seen += [result, *self._events.update(result)]
        return seen

    def _write(self, items: Sequence[FrameResult | StreamEvent]) -> None:
        for first in range(0, len(items), MOST_AT_ONCE):
            self._write_together(items[first : first + MOST_AT_ONCE])

    def _write_together(self, items: Sequence[FrameResult | StreamEvent]) -> None:
        for item in items:
            if isinstance(item, StreamEvent):
                self._on_event(item)
        errors = [error for sink in self._opened() for error in self._hand_over(sink, items)]
        if errors:
            self._write(errors)

    def _hand_over(
        self, sink: Sink, items: Sequence[FrameResult | StreamEvent]
    ) -> list[StreamEvent]:
        """Writes to one sink; what the others have to be told of it."""
        if self._ledger.has_failed(sink.name):
            self._discard(sink)
            return []
        for item in items:
            if self._is_cancelled():
                break
            try:
                if isinstance(item, StreamEvent):
                    sink.event(item)
                else:
                    sink.write(item)
            except OutputError as error:
                self._discard(sink)
                self._ledger.failed(sink.name, error)
                log.warning("%s; the other outputs go on", error)
                last = items[-1]  # the others have these by the time they are told
                time_s = last.time_s if isinstance(last, StreamEvent) else last.frame.time_s
                return [StreamEvent(self._stream, "error", time_s, details={"message": str(error)})]
        return []

    def close(self) -> None:
        """Completes every sink, whatever happens to some.

        Raises:
            OutputError: the last that could not be completed, if no other output is left.
            Exception: what else went wrong in somebody's own sink.
        """
        last: Exception | None = None
        try:
            self._write(self._seen(self._cover.rest()))
            if self._sinks:
                self._write(self._events.end())
        except Exception as error:
            last = error
        sinks, self._sinks = self._sinks or [], []
        completed = []
        for sink in sinks:
            try:
                sink.close()
                completed.append(sink.name)
            except OutputError as error:
                try:
                    self._ledger.failed(sink.name, error)
                except OutputError as fatal:
                    last = fatal
            except Exception as error:
                last = error
        for name in completed:  # a failure beside one of them has not left the stream with nothing
            self._ledger.closed(name)
        if last is not None:
            raise last

    def _opened(self) -> list[Sink]:
        if self._sinks is None:
            self._sinks = list(self._make_sinks())
            for sink in self._sinks:
                self._ledger.opened(sink.name)
        return list(self._sinks)

    def _discard(self, sink: Sink) -> None:
        """Closes a broken sink as well as can be; its error is already known."""
        if self._sinks is not None:
            self._sinks.remove(sink)
        try:
            sink.close()
        except OutputError as error:
            log.debug("closing %s after its failure: %s", sink.name, error)
