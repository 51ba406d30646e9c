"""The list of sources that a run follows: those that vanish from it leave, new ones join."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from streamfer.errors import StreamferError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.types import StreamInfo

log = logging.getLogger(__name__)

_Key = tuple[SourceKind, str]


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

    A file that does not answer, on a share that is away, say, holds up neither the other sources
    nor the run and its end: the list is read in one thread, and each source joins in its own.

    Args:
        sources: that the run began with, as on the command line.
        read: what the list says now.
    """

    def __init__(self, sources: Sequence[str], read: Callable[[], Sequence[str]]) -> None:
        self._streams: dict[_Key, str] = {_key(s): s.name for s in expand_sources(sources)}
        """Stream names by what the list said last, also of streams that have ended since."""
        self._joining: set[_Key] = set()
        self._wanted = set(self._streams)
        self._read = read
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def follow(self, job: ChangingJob) -> threading.Thread:
        """Has the list read and the run changed in the background; what is wrong is logged.

        Returns:
            Who does it, who ends when every new source has joined or failed to.
        """
        return _in_thread(partial(self._update, job))

    def _update(self, job: ChangingJob) -> None:
        for thread in self._changed(job):
            thread.join()

    def _changed(self, job: ChangingJob) -> list[threading.Thread]:
        """Those in whom new sources join."""
        with self._reading:
            try:
                specs = expand_sources(self._read())
            except StreamferError as error:
                log.error("%s; the sources stay as they are", error)
                return []
            with self._lock:
                wanted = {_key(spec): spec for spec in specs}
                self._wanted = set(wanted)
                gone = [self._streams.pop(key) for key in self._streams.keys() - self._wanted]
                new = wanted.keys() - self._streams.keys() - self._joining
                self._joining |= new
            for name in gone:
                self._leave(job, name)
            return [
                _in_thread(partial(self._join, job, key, spec))
                for key, spec in wanted.items()
                if key in new
            ]

    def _join(self, job: ChangingJob, key: _Key, spec: SourceSpec) -> None:
        name = None
        try:
            name = job.add_source(spec).stream
            log.info("%s: added", name)
        except StreamferError as error:
            log.error("%s", error)
        finally:
            with self._lock:
                self._joining.discard(key)
                wanted = key in self._wanted
                if name is not None and wanted:
                    self._streams[key] = name
        if name is not None and not wanted:  # it has vanished from the list meanwhile
            self._leave(job, name)

    def _leave(self, job: ChangingJob, name: str) -> None:
        if job.remove(name):
            log.info("%s: removed", name)


def _in_thread(work: Callable[[], object]) -> threading.Thread:
    """Has something done; what it raises is logged, since others go on."""

    def run() -> None:
        try:
            work()
        except Exception:
            log.exception("a change of the list of sources failed")

    thread = threading.Thread(target=run, name="followed sources", daemon=True)
    thread.start()
    return thread


def _key(spec: SourceSpec) -> _Key:
    return spec.kind, spec.location
