"""The streams of a job: what of them is open, and which names a further one may not have."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from streamfer.app.session.sources import OpenedStream
from streamfer.media.sources.source_list import SourceSpec, named_apart
from streamfer.pipeline.stats.stats import RunStatistics


class JobStreams:
    """Streams that come and go; any thread may say so.

    Args:
        streams: of the beginning.
        statistics: of the run, which say who is there.
        results_stay: whether results are kept under the names of streams that have left, so that
            nobody else may have them.
    """

    def __init__(
        self, streams: Sequence[OpenedStream], statistics: RunStatistics, *, results_stay: bool
    ) -> None:
        self._lock = threading.Lock()
        self._streams = list(streams)
        self._statistics = statistics
        self._results_stay = results_stay
        self._names = {stream.spec.name for stream in streams}
        """Of all that there ever were."""
        self._joining: set[str] = set()

    @property
    def opened(self) -> tuple[OpenedStream, ...]:
        """Those that have not been taken out."""
        with self._lock:
            return tuple(self._streams)

    @contextmanager
    def joining(self, spec: SourceSpec) -> Iterator[SourceSpec]:
        """The source with a name that no other has, and that none gets while this one is opened:
        that may take as long as a server or a disk likes, and holds up nobody else."""
        with self._lock:
            taken = {stream.info.stream for stream in self._statistics.snapshot().streams}
            taken |= self._joining | (self._names if self._results_stay else set())
            spec = named_apart(spec, taken)
            self._joining.add(spec.name)
        try:
            yield spec
        finally:
            with self._lock:
                self._joining.discard(spec.name)

    def add(self, stream: OpenedStream) -> None:
        """Notes one that has joined."""
        with self._lock:
            self._streams.append(stream)
            self._names.add(stream.spec.name)

    def forget_removed(self) -> None:
        """Keeps no more than the names of those that the run has let go."""
        with self._lock:
            self._streams = [
                stream
                for stream in self._streams
                if self._statistics.has_stream(stream.info.stream)
            ]

    def close(self) -> None:
        """Closes the sources."""
        for stream in self.opened:
            stream.source.close()
