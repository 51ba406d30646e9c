"""The list of sources that a run follows: those that vanish from it leave, new ones join."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from streamfer.errors import StreamferError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.types import StreamInfo

log = logging.getLogger(__name__)


class ChangingJob(Protocol):
    """A run as far as its streams can change."""

    def add_source(self, spec: SourceSpec) -> StreamInfo:
        """Takes one more source in.

        Raises:
            StreamferError: it cannot be.
        """
        ...

    def remove(self, stream: str) -> bool:
        """Takes a stream out; whether there was one."""
        ...


class FollowedSources:
    """Brings a run up to date with a list that is read again.

    Args:
        sources: that the run began with, as on the command line.
        read: what the list says now.
    """

    def __init__(self, sources: Sequence[str], read: Callable[[], Sequence[str]]) -> None:
        self._streams = {_key(spec): spec.name for spec in expand_sources(sources)}
        """Stream names by what the list said last, also of streams that have ended since."""
        self._read = read
        self._lock = threading.Lock()
        self._busy = self._again = False

    def follow(self, job: ChangingJob) -> None:
        """Has `update` done in a thread: a file that does not answer, on a share that is away, say,
        holds up neither the run nor its end."""
        with self._lock:
            if self._busy:
                self._again = True
                return
            self._busy = True
        threading.Thread(
            target=self._follow, args=[job], name="followed sources", daemon=True
        ).start()

    def _follow(self, job: ChangingJob) -> None:
        while True:
            self.update(job)
            with self._lock:
                if not self._again:
                    self._busy = False
                    return
                self._again = False

    def update(self, job: ChangingJob) -> None:
        """Reads the list and changes the run; what is wrong with it is logged."""
        try:
            specs = expand_sources(self._read())
        except StreamferError as error:
            log.error("%s; the sources stay as they are", error)
            return
        wanted = {_key(spec): spec for spec in specs}
        for key in self._streams.keys() - wanted.keys():
            if job.remove(name := self._streams.pop(key)):
                log.info("%s: removed", name)
        for key, spec in wanted.items():
            if key in self._streams:
                continue
            try:
                self._streams[key] = job.add_source(spec).stream
            except StreamferError as error:
                log.error("%s", error)
            else:
                log.info("%s: added", self._streams[key])


def _key(spec: SourceSpec) -> tuple[SourceKind, str]:
    return spec.kind, spec.location
