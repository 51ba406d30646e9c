"""A job as the live page sees and changes it."""

from __future__ import annotations

from streamfer.app.allowed_sources import AllowedSources
from streamfer.app.session.job import Job
from streamfer.app.session.metrics import RunMetrics, metrics_text
from streamfer.errors import ConfigError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import StreamInfo


class JobRun:
    """What the page may do with a job.

    Args:
        job: that runs.
        allowed: what the page may add; None: everything, as only this machine can reach it.
    """

    def __init__(self, job: Job, allowed: AllowedSources | None) -> None:
        self._job = job
        self._allowed = allowed

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
        if self._allowed is not None and not self._allowed.allow(source):
            raise ConfigError(
                "this source may not be added here; --web-sources of the run says which may"
            )
        return self._job.add(source, name)

    def remove(self, stream: str) -> bool:
        """Takes a stream out of the run; whether there was one."""
        return self._job.remove(stream)
