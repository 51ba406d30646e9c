"""What runs on one share of a machine: networks that stay open, and what is analysed with them."""

from __future__ import annotations

import dataclasses
import os
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from streamfer.app.cluster.attempt import attempt_config, demand_whole, written
from streamfer.app.cluster.fingerprint import Fingerprint, fingerprint
from streamfer.app.cluster.folder import stamp
from streamfer.app.cluster.probe import answer
from streamfer.app.cluster.reports import Attempt, AttemptResult, StreamFigures
from streamfer.app.config import RunConfig
from streamfer.app.session.job import Job
from streamfer.app.session.session import Session
from streamfer.app.terminal.logs import configure_logging
from streamfer.errors import EngineError, PipelineError, StreamferError
from streamfer.media.redact import redact_text
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import StreamEvent

_IDLE_S = 0.2


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What every worker of a run needs."""

    config: RunConfig = dataclasses.field(repr=False)
    """Of the run, without sources; it may hold credentials of where results are sent."""
    folder: Path | None
    """Where relative paths begin; None where there are none."""
    expected: Fingerprint
    probe: Path
    """A file of the driver's, in the shared folder."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """How a worker's start went."""

    node: str
    answer: str | None = None
    """Name of the file that it left beside the probe."""
    refusal: str | None = None
    """Why it cannot take part."""


@dataclass(frozen=True, slots=True)
class AttemptError:
    """Why an attempt failed."""

    reason: str
    broken: bool
    """Whether the worker is to blame."""


class Worker:
    """A worker: a plain object, which Ray puts into a process of its own.

    Its methods may be called from any thread, `watch` by one at a time.
    """

    def __init__(self) -> None:
        self._node = platform.node()
        self._session: Session | None = None
        self._config = RunConfig()
        self._jobs: list[Job] = []
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._coming: list[tuple[SourceSpec, str | None]] = []
        self._failed: dict[str, StreamFigures] = {}

    def prepare(self, setup: WorkerSetup, name: str) -> Prepared:
        """Makes sure that it can take part, and opens the networks.

        Args:
            setup: what the run needs.
            name: of the worker.
        """
        self._node = f"{platform.node()}/{name}"
        configure_logging(setup.config.log_level, Console(stderr=True))
        try:
            refusal = self._set_up(setup)
            if refusal is not None:
                return Prepared(self._node, refusal=f"the worker on {self._node}: {refusal}")
            left = answer(setup.probe)
            self._session = Session.configured(setup.config)
            self._session.open()
        except (StreamferError, OSError) as error:
            return Prepared(self._node, refusal=f"the worker on {self._node}: {_words(error)}")
        return Prepared(self._node, left)

    def analyse(self, attempt: Attempt) -> AttemptResult | AttemptError:
        """Analyses one file into the attempt's folder."""
        assert self._session is not None
        size, mtime_ns = (None, None)
        if attempt.spec.kind is SourceKind.FILE:
            size, mtime_ns = stamp(attempt.spec.path)
        began_s = time.monotonic()
        try:
            config = attempt_config(self._config, attempt)
            job = self._session.job(config, specs=[attempt.spec])
            with self._in_hand(job):
                outcome = job.run()
            demand_whole(config, attempt.spec, outcome)
            files = tuple(written(attempt.folder))
        except StreamferError as error:
            return AttemptError(_words(error), _is_the_worker_s(error))
        except OSError as error:
            return AttemptError(_words(error), broken=False)
        snapshot = outcome.snapshot
        return AttemptResult(
            frames=snapshot.frames,
            faces=snapshot.faces,
            seconds=time.monotonic() - began_s,
            files=files,
            notes=outcome.notes,
            input_size=size,
            input_mtime_ns=mtime_ns,
        )

    def add(self, cameras: Sequence[SourceSpec], lost_by: str | None) -> None:
        """Has `watch` take more cameras.

        Args:
            cameras: the cameras.
            lost_by: the node that had them before, and is gone.
        """
        with self._lock:
            self._coming += [(spec, lost_by) for spec in cameras]

    def watch(self) -> None:
        """Analyses cameras until `stop`; it waits where it has none.

        Raises:
            StreamferError: a stage failed; outputs are closed and playable.
        """
        assert self._session is not None
        while not self._stopping.wait(_IDLE_S):
            if coming := self._take_coming():
                self._watch(self._session, coming)

    def stop(self) -> None:
        """Ends `watch`; outputs are completed."""
        self._stopping.set()

    def close(self) -> None:
        """Frees the networks."""
        if self._session is not None:
            self._session.close()

    def progress(self) -> tuple[StreamFigures, ...]:
        """What it is at."""
        with self._lock:
            jobs = list(self._jobs)
        running = [f for job in jobs for f in _figures(job.statistics.snapshot())]
        known = {stream.stream for stream in running}
        with self._lock:
            failed = [f for name, f in self._failed.items() if name not in known]
        return (*running, *failed)

    def _set_up(self, setup: WorkerSetup) -> str | None:
        """Why it cannot take part; None where it can."""
        found = fingerprint(setup.config)
        if found != setup.expected:
            return f"has {found}, and the run has {setup.expected}"
        if setup.folder is not None:
            try:
                os.chdir(setup.folder)
            except OSError:
                return (
                    f"there is no folder {setup.folder}; start the run in a shared folder, or name"
                    " sources and outputs by absolute paths"
                )
        self._config = setup.config
        return None

    @contextmanager
    def _in_hand(self, job: Job) -> Iterator[None]:
        """Counts a job among those that `progress` tells of."""
        with self._lock:
            self._jobs.append(job)
        try:
            yield
        finally:
            with self._lock:
                self._jobs.remove(job)

    def _watch(self, session: Session, coming: list[tuple[SourceSpec, str | None]]) -> None:
        job = session.job(self._config, specs=[spec for spec, _ in coming])
        moved = _moved(coming)
        stopped = False

        def tick() -> None:
            nonlocal stopped
            for spec, lost_by in self._take_coming():
                self._join(job, spec)
                moved.update(_moved([(spec, lost_by)]))
            for stream, origin in list(moved.items()):
                if job.announce(_reassigned(stream, origin, self._node)):  # it has begun
                    del moved[stream]
            if self._stopping.is_set() and not stopped:
                stopped = True
                job.stop()

        try:
            with self._in_hand(job):
                job.run(tick)
        finally:
            ended = _figures(job.statistics.snapshot())
            with self._lock:
                self._failed.update({stream.stream: stream for stream in ended})

    def _join(self, job: Job, spec: SourceSpec) -> None:
        try:
            job.add_source(spec)
        except StreamferError as error:
            failed = StreamFigures(spec.name, "failed", 0, 0, 0, 0.0, _words(error))
            with self._lock:
                self._failed[spec.name] = failed

    def _take_coming(self) -> list[tuple[SourceSpec, str | None]]:
        with self._lock:
            coming, self._coming = self._coming, []
        return coming


def _figures(snapshot: RunSnapshot) -> tuple[StreamFigures, ...]:
    return tuple(
        StreamFigures(
            stream.info.stream,
            stream.state,
            stream.frames,
            stream.dropped,
            stream.faces,
            round(stream.fps_out, 2),
            stream.message,
        )
        for stream in snapshot.streams
    )


def _moved(coming: Sequence[tuple[SourceSpec, str | None]]) -> dict[str, str]:
    """By camera, the node that lost it, of those that another had before."""
    return {spec.name: lost_by for spec, lost_by in coming if lost_by is not None}


def _reassigned(stream: str, lost_by: str, node: str) -> StreamEvent:
    wall = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return StreamEvent(stream, "reassigned", 0.0, wall, {"from": lost_by, "to": node})


def _is_the_worker_s(error: StreamferError) -> bool:
    cause = error.__cause__ if isinstance(error, PipelineError) else error
    return isinstance(cause, EngineError)


def _words(error: Exception) -> str:
    cause = error.__cause__ if isinstance(error, PipelineError) else None
    told = cause if isinstance(cause, StreamferError) else error
    return " ".join(redact_text(str(told)).split())
