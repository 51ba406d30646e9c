"""Workers as actors of a Ray cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError, RayTaskError

from streamfer.app.cluster.probe import is_answered
from streamfer.app.cluster.ray_cluster import first_line
from streamfer.app.cluster.reports import (
    Attempt,
    AttemptResult,
    Done,
    Failed,
    Lost,
    Progress,
    Ready,
    Refused,
    Report,
)
from streamfer.app.cluster.worker import AttemptError, Prepared, Worker, WorkerSetup
from streamfer.errors import EngineError
from streamfer.media.sources.source_list import SourceSpec

_PROGRESS_INTERVAL_S = 1.0
"""Between an answer and the next question to the same worker."""
_LONGEST_STEP_S = 0.1
"""A wait is made of such steps, so that questions go out in time."""


@dataclass(frozen=True, slots=True)
class Place:
    """What one worker takes of a machine."""

    cpus: int
    gpus: float


@dataclass(slots=True)
class _Actor:
    """A worker, and what has been asked of it."""

    name: str
    handle: Any
    asked: dict[Any, str] = field(default_factory=dict)
    """What each call that is under way is: `prepare`, `progress`, `watch`, or an attempt."""
    ready: bool = False
    watching: bool = False
    next_question_s: float = 0.0


class RayWorkers:
    """Starts actors and listens to them; see `Workers`.

    Args:
        setup: what each needs.
        place: what each takes.
        clock: monotonic seconds.
    """

    def __init__(
        self, setup: WorkerSetup, place: Place, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._setup = setup
        self._clock = clock
        self._actors: dict[str, _Actor] = {}
        self._count = 0
        self._class = ray.remote(Worker).options(
            num_cpus=place.cpus,
            num_gpus=place.gpus,
            scheduling_strategy="SPREAD",
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=5,  # `analyse` twice or `watch`, beside `add`, `progress`, `stop`
        )

    def start(self) -> str:
        """Begins to start one more; see `Workers.start`."""
        self._count += 1
        name = f"worker-{self._count}"
        with _cluster_errors():
            actor = _Actor(name, self._class.remote())
            # Not as an argument of the constructor, which Ray keeps: it may hold credentials.
            actor.asked[actor.handle.prepare.remote(self._setup, name)] = "prepare"
        self._actors[name] = actor
        return name

    def give(self, worker: str, attempt: Attempt) -> None:
        """Has a worker analyse a file; see `Workers.give`."""
        actor = self._actors.get(worker)
        if actor is None:  # its loss is among the reports that are being taken
            return
        with _cluster_errors():
            actor.asked[actor.handle.analyse.remote(attempt)] = attempt.id
        actor.next_question_s = self._clock() + _PROGRESS_INTERVAL_S

    def watch(self, worker: str, cameras: Sequence[SourceSpec], lost_by: str | None) -> None:
        """Has a worker take cameras; see `Workers.watch`."""
        actor = self._actors.get(worker)
        if actor is None:  # its loss is among the reports that are being taken
            return
        with _cluster_errors():
            actor.asked[actor.handle.add.remote(list(cameras), lost_by)] = "add"
            if not actor.watching:
                actor.watching = True
                actor.asked[actor.handle.watch.remote()] = "watch"

    def end(self, worker: str) -> None:
        """Ends a worker; see `Workers.end`."""
        actor = self._actors.pop(worker, None)
        if actor is not None:
            ray.kill(actor.handle, no_restart=True)

    def close(self, patience_s: float = 0.0) -> None:
        """Ends all workers.

        Args:
            patience_s: how long those that watch cameras may take to complete their outputs.
        """
        watches = []
        for actor in self._actors.values():
            if actor.watching:
                actor.handle.stop.remote()
                watches += [ref for ref, what in actor.asked.items() if what == "watch"]
        if watches and patience_s > 0:
            ray.wait(watches, num_returns=len(watches), timeout=patience_s)
        for name in list(self._actors):
            self.end(name)

    def wait(self, timeout_s: float) -> list[Report]:
        """What has happened; see `Workers.wait`."""
        deadline_s = self._clock() + timeout_s
        while True:
            self._ask()
            refs = {ref: a for a in self._actors.values() for ref in a.asked}
            left_s = max(deadline_s - self._clock(), 0.0)
            if not refs:
                time.sleep(min(left_s, _LONGEST_STEP_S))
                return []
            with _cluster_errors():
                step_s = min(left_s, _LONGEST_STEP_S)
                found, _ = ray.wait(list(refs), num_returns=1, timeout=step_s)
                if found:
                    found, _ = ray.wait(list(refs), num_returns=len(refs), timeout=0)
            reports = [r for ref in found for r in self._read(refs[ref], ref)]
            if reports or left_s <= step_s:
                return reports

    def _ask(self) -> None:
        """Asks how it goes, of whom it is time to."""
        now_s = self._clock()
        for actor in self._actors.values():
            waiting = "progress" in actor.asked.values()
            if actor.ready and not waiting and now_s >= actor.next_question_s:
                actor.asked[actor.handle.progress.remote()] = "progress"

    def _read(self, actor: _Actor, ref: Any) -> list[Report]:
        """What an answer says."""
        if actor.name not in self._actors:  # lost by another answer of the same moment
            return []
        what = actor.asked.pop(ref)
        try:
            value = ray.get(ref)
        except RayTaskError as error:
            return self._lost(actor, f"a bug in streamfer: {first_line(error.cause)}")
        except RayError as error:
            return self._lost(actor, _loss(error))
        if what == "prepare":
            return [self._prepared(actor, value)]
        if what == "progress":
            actor.next_question_s = self._clock() + _PROGRESS_INTERVAL_S
            return [Progress(actor.name, value)]
        if what == "watch":
            return self._lost(actor, "it has stopped watching")
        if isinstance(value, AttemptResult):
            return [Done(actor.name, what, value)]
        if isinstance(value, AttemptError):
            return [Failed(actor.name, what, value.reason, value.broken)]
        return []  # of `add`

    def _prepared(self, actor: _Actor, prepared: Prepared) -> Report:
        if prepared.refusal is not None:
            return Refused(actor.name, prepared.refusal)
        if not is_answered(self._setup.probe, prepared.answer):
            folder = self._setup.probe.parent.parent
            return Refused(
                actor.name,
                f"the worker on {prepared.node}: {folder}: what it writes there is not seen here;"
                " the folder must be shared by all machines",
            )
        actor.ready = True
        actor.next_question_s = self._clock() + _PROGRESS_INTERVAL_S
        return Ready(actor.name, prepared.node)

    def _lost(self, actor: _Actor, reason: str) -> list[Report]:
        self.end(actor.name)  # it may be alive, and only out of reach
        return [Lost(actor.name, reason)]


class _cluster_errors:
    """Turns the loss of the cluster itself into one of this program's errors."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, RayError | ConnectionError | RuntimeError):
            raise EngineError(
                f"the cluster is lost ({first_line(error)}); the same command goes on where this"
                " one ends"
            ) from error


def _loss(error: RayError) -> str:
    if isinstance(error, RayActorError) and error.actor_init_failed:
        return f"it cannot start; is streamfer installed there? ({first_line(error)})"
    return first_line(error)
