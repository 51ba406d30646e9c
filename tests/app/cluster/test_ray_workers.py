"""Workers of a Ray cluster, with a cluster that answers as the test says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from streamfer.app.cluster.file_run import FileRun
from streamfer.app.cluster.fingerprint import Fingerprint
from streamfer.app.cluster.folder import done_files
from streamfer.app.cluster.queue import FileQueue
from streamfer.app.cluster.reports import AttemptResult
from streamfer.app.cluster.worker import Prepared, WorkerSetup
from streamfer.app.config import RunConfig
from tests.support.cluster import job_folder, units

ray = pytest.importorskip("ray", reason="Ray is an extra: pip install 'streamfer[cluster]'")


class Call:
    """A method of an actor; a call's name and number are its reference."""

    def __init__(self, cluster: FakeRay, name: str) -> None:
        self._cluster, self._name = cluster, name

    def remote(self, *_: object) -> str:
        made = f"{self._name} {len(self._cluster.calls)}"
        self._cluster.calls.append(made)
        return made


class Actor:
    """Takes any call."""

    def __init__(self, cluster: FakeRay) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Call:
        return Call(self._cluster, name)


class FakeRay:
    """Its first worker finishes a file, and is dead by the time that it is asked how it goes."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.killed = 0

    def remote(self, _: type) -> FakeRay:
        return self

    def options(self, **_: object) -> Any:
        return type("Class", (), {"remote": staticmethod(lambda: Actor(self))})

    def wait(
        self, refs: Sequence[str], num_returns: int, timeout: float
    ) -> tuple[list[str], list[str]]:
        return list(refs)[:num_returns], []

    def get(self, ref: str) -> object:
        if ref.startswith("prepare"):
            return Prepared("node", "answered")
        if ref.startswith("progress") and not self.killed:
            raise ray.exceptions.ActorDiedError
        return () if ref.startswith("progress") else AttemptResult(1, 0, 1.0, ())

    def kill(self, _: Actor, no_restart: bool) -> None:
        self.killed += 1


def test_a_worker_that_dies_with_its_last_answer_costs_what_it_was_given_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from streamfer.app.cluster import ray_workers

    cluster, count = FakeRay(), iter(range(0, 10**6, 10))
    monkeypatch.setattr(ray_workers, "ray", cluster)
    monkeypatch.setattr(ray_workers, "is_answered", lambda *_: True)
    setup = WorkerSetup(RunConfig(), None, Fingerprint("1", "a"), tmp_path / "a" / "probe")
    workers = ray_workers.RayWorkers(setup, ray_workers.Place(1, 0.0), lambda: float(next(count)))
    with job_folder(tmp_path) as folder:
        run = FileRun(FileQueue(units(3)), workers, folder, 1, lambda: 0.0)
        assert run.run()
    assert {done.stream for done in done_files(tmp_path)} == {"s0", "s1", "s2"}
    assert (run.figures().lost, run.figures().moved) == (1, 1)
    workers.watch("worker-1", [], None)
