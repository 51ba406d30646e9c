from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamfer.app.cluster.file_run import FileRun
from streamfer.app.cluster.queue import FileQueue
from streamfer.app.cluster.reports import Done, Lost, Report
from tests.support.cluster import (
    Clock,
    FakeWorkers,
    job_folder,
    units,
    written,
)


class Holding(FakeWorkers):
    """Workers that finish a file only when told to."""

    def __init__(self) -> None:
        super().__init__(lambda workers, worker, attempt: [])

    def held(self, worker: str) -> list[str]:
        return [attempt.spec.name for w, attempt in self.given if w == worker]


def started(path: Path, workers: FakeWorkers, count: int, *steps: Callable[[], None]) -> FileRun:
    """A run with two files in hand, a step after each look, stopped after the last."""
    with job_folder(path) as folder:
        made = FileRun(FileQueue(units(count)), workers, folder, 2, Clock(), in_hand=2)
        left = iter([*steps, made.stop])
        made.run(lambda: next(left)())
    return made


def test_a_worker_has_a_second_file_in_hand_where_there_are_enough(tmp_path: Path) -> None:
    workers = Holding()
    started(tmp_path, workers, 8)
    assert workers.held("w0") == ["s0", "s2"]
    assert workers.held("w1") == ["s1", "s3"]


def test_the_last_files_are_shared_evenly(tmp_path: Path) -> None:
    workers = Holding()
    started(tmp_path, workers, 4)
    assert workers.held("w0") == ["s0"]
    assert workers.held("w1") == ["s1"]


def test_what_has_failed_is_tried_again_alone() -> None:
    queue = FileQueue(units(4))

    def take(worker: str, attempt: str) -> str | None:
        taken = queue.take(worker, attempt)
        return taken and taken.unit.spec.name

    assert [take("w0", "a"), take("w0", "b")] == ["s0", "s1"]
    queue.fail("a", "its worker died")
    queue.fail("b", "its worker died")
    assert [take("w1", "c"), take("w1", "d")] == ["s2", "s3"]
    assert take("w1", "e") is None
    queue.succeed("c")
    queue.succeed("d")
    assert [take("w1", "f"), take("w1", "g")] == ["s0", None]


def test_a_file_that_kills_its_worker_takes_no_other_with_it(tmp_path: Path) -> None:
    """However often the two are together at first."""

    class Poisoned(FakeWorkers):
        def wait(self, timeout_s: float) -> list[Report]:
            reports = super().wait(timeout_s)
            for worker in [w for w in self.started if w not in self.ended]:
                mine = [a for w, a in self.given if w == worker and a.id not in over]
                over.update(attempt.id for attempt in mine)
                if any(attempt.spec.name == "s1" for attempt in mine):
                    self.ended.append(worker)
                    reports.append(Lost(worker, "killed"))
                else:
                    reports += [Done(worker, a.id, written(a)) for a in mine]
            return reports

    over: set[str] = set()
    workers = Poisoned(lambda workers, worker, attempt: [])
    with job_folder(tmp_path) as folder:
        made = FileRun(FileQueue(units(9)), workers, folder, 2, Clock(), in_hand=2)
        assert made.run()
    assert list(made.figures().failed) == ["s1"]
    assert made.figures().done == 8
