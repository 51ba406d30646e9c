"""A job as the live page sees and changes it."""

from __future__ import annotations

from streamfer.app.session.job import Job
from streamfer.app.session.metrics import RunMetrics, metrics_text
from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.source_list import SourceKind, expand_sources
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import StreamInfo

_FROM_AFAR = frozenset({SourceKind.NETWORK, SourceKind.CAMERA, SourceKind.DEMO})
"""What may be added from other machines: nobody there shall look at this one's files or screen,
which a filter graph can read, too."""


class JobRun:
    """What the page may do with a job.

    Args:
        job: that runs.
        local: whether the page can be reached from this machine only.
    """

    def __init__(self, job: Job, *, local: bool) -> None:
        self._job = job
        self._local = local

    def snapshot(self) -> RunSnapshot:
        """The figures now."""
        return self._job.statistics.snapshot()

    def metrics(self) -> bytes:
        """The figures for Prometheus."""
        return metrics_text(RunMetrics(self._job.statistics, self._job.times))

    def add(self, source: str, name: str | None) -> StreamInfo:
        """Takes one more source into the run.

        Raises:
            ConfigError: it may not be added from here, or is none.
            StreamferError: it or an output cannot be opened.
        """
        if not (self._local or _is_from_afar(source)):
            raise ConfigError("from other machines only cameras and network streams can be added")
        return self._job.add(source, name)

    def remove(self, stream: str) -> bool:
        """Takes a stream out of the run; whether there was one."""
        return self._job.remove(stream)


def _is_from_afar(source: str) -> bool:
    """Whether it may be added from other machines; does not say which files there are."""
    try:
        return all(spec.kind in _FROM_AFAR for spec in expand_sources([source]))
    except SourceError:
        return False
