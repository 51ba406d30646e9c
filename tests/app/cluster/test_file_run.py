"""Sharing files out: nothing lost, nothing twice, whatever dies."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from streamfer.app.cluster.file_run import FileRun
from streamfer.app.cluster.fleet import START_TIMEOUT_S
from streamfer.app.cluster.folder import done_files
from streamfer.app.cluster.queue import FileQueue
from streamfer.app.cluster.reports import (
    Attempt,
    Done,
    Failed,
    Lost,
    Progress,
    Ready,
    Refused,
    Report,
    StreamFigures,
)
from streamfer.errors import EngineError
from tests.support.cluster import (
    Clock,
    FakeWorkers,
    die,
    fail,
    job_folder,
    succeed,
    units,
    written,
)


def run(
    path: Path, workers: FakeWorkers, count: int = 6, wanted: int = 2, clock: Clock | None = None
) -> FileRun:
    with job_folder(path) as folder:
        made = FileRun(FileQueue(units(count)), workers, folder, wanted, clock or Clock())
        assert made.run()
    return made


def results(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "records").iterdir())


def test_every_file_is_done_once_and_nothing_is_left_of_attempts(tmp_path: Path) -> None:
    workers = FakeWorkers()
    figures = run(tmp_path, workers).figures()
    assert Counter(workers.files_given) == Counter(f"s{n}" for n in range(6))
    assert results(tmp_path) == [f"s{n}.jsonl" for n in range(6)]
    assert [done.stream for done in done_files(tmp_path)] == [f"s{n}" for n in range(6)]
    assert {path.name for path in tmp_path.iterdir()} == {"records", "done", ".job.lock"}
    assert (figures.done, figures.waiting, figures.running, figures.failed) == (6, 0, 0, {})
    assert (figures.frames, figures.faces) == (60, 30)


def test_frames_of_a_file_that_is_done_are_counted_once(tmp_path: Path) -> None:
    def tells_then_succeeds(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        stream = StreamFigures(attempt.spec.name, "running", 7, dropped=0, faces=0, fps=1.0)
        return [Progress(worker, (stream,)), *succeed(workers, worker, attempt)]

    figures = run(tmp_path, FakeWorkers(tells_then_succeeds), wanted=1).figures()
    assert figures.frames == 60


def test_both_workers_work_and_no_more_are_started(tmp_path: Path) -> None:
    workers = FakeWorkers()
    run(tmp_path, workers)
    assert workers.started == ["w0", "w1"]
    assert {worker for worker, _ in workers.given} == {"w0", "w1"}


def test_no_more_workers_than_files(tmp_path: Path) -> None:
    workers = FakeWorkers()
    run(tmp_path, workers, count=1, wanted=5)
    assert workers.started == ["w0"]


def once(name: str, first: Callable[..., list[Report]]) -> Callable[..., list[Report]]:
    """Something else the first time that a file of this name is given."""
    seen: list[str] = []

    def act(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        if attempt.spec.name == name and not seen:
            seen.append(name)
            return first(workers, worker, attempt)
        return succeed(workers, worker, attempt)

    return act


def test_a_worker_that_dies_costs_its_attempt_and_is_replaced(tmp_path: Path) -> None:
    workers = FakeWorkers(once("s2", die))
    figures = run(tmp_path, workers).figures()
    assert Counter(workers.files_given)["s2"] == 2
    assert results(tmp_path) == [f"s{n}.jsonl" for n in range(6)]
    assert (tmp_path / "records" / "s2.jsonl").read_text() == "result"
    assert [d.attempt for d in done_files(tmp_path) if d.stream == "s2"] == [2]
    assert len(workers.started) == 3
    assert (figures.lost, figures.moved) == (1, 1)


def test_what_failed_goes_to_another_worker_after_the_others(tmp_path: Path) -> None:
    workers = FakeWorkers(once("s0", fail))
    run(tmp_path, workers)
    first, second = (worker for worker, a in workers.given if a.spec.name == "s0")
    assert first != second
    assert workers.files_given[-1] == "s0"


def test_a_poison_file_fails_alone_by_name_after_three_attempts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def act(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        how = die if attempt.spec.name == "s1" else succeed
        return how(workers, worker, attempt)

    workers = FakeWorkers(act)
    with caplog.at_level(logging.WARNING, "streamfer"):
        figures = run(tmp_path, workers).figures()
    assert Counter(workers.files_given)["s1"] == 3
    assert list(figures.failed) == ["s1"]
    assert "killed (attempt 3)" in figures.failed["s1"]
    assert results(tmp_path) == [f"s{n}.jsonl" for n in range(6) if n != 1]
    assert "s1: attempt 3 failed, given up" in caplog.text


def test_a_result_of_a_worker_that_was_thought_lost_is_passed_over(tmp_path: Path) -> None:
    late: list[Report] = []

    def lost(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        late.append(Done(worker, attempt.id, written(attempt, "from the dead")))
        return [Lost(worker, "silent"), *late]

    workers = FakeWorkers(once("s0", lost))
    figures = run(tmp_path, workers).figures()
    assert figures.done == 6
    assert (tmp_path / "records" / "s0.jsonl").read_text() == "result"


def test_a_file_that_the_driver_does_not_see_whole_is_done_again(tmp_path: Path) -> None:
    def unshared(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        result = written(attempt)
        (attempt.folder / "records" / "s3.jsonl").write_text("resu")
        return [Done(worker, attempt.id, result)]

    workers = FakeWorkers(once("s3", unshared))
    assert run(tmp_path, workers).figures().done == 6
    assert (tmp_path / "records" / "s3.jsonl").read_text() == "result"


def test_a_worker_whose_networks_are_broken_does_not_fail_every_file(tmp_path: Path) -> None:
    def act(workers: FakeWorkers, worker: str, attempt: Attempt) -> list[Report]:
        if worker == "w0":
            return [Failed(worker, attempt.id, "CUDA is gone", broken=True)]
        return succeed(workers, worker, attempt)

    workers = FakeWorkers(act)
    figures = run(tmp_path, workers, count=20).figures()
    assert figures.failed == {}
    assert figures.done == 20
    assert workers.ended == ["w0"]
    assert sum(worker == "w0" for worker, _ in workers.given) == 1


def test_a_worker_of_another_version_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    def on_start(name: str) -> list[Report]:
        return [Refused(name, "old weights")] if name == "w0" else [Ready(name, "node")]

    workers = FakeWorkers(on_start=on_start)
    assert run(tmp_path, workers).figures().done == 6
    assert workers.started == ["w0", "w1"]


@pytest.mark.parametrize(
    "report", [lambda name: Refused(name, "old weights"), lambda name: Lost(name, "old weights")]
)
def test_with_no_worker_at_all_the_run_ends_and_says_why(
    tmp_path: Path, report: Callable[[str], Report]
) -> None:
    workers = FakeWorkers(on_start=lambda name: [report(name)])
    with pytest.raises(EngineError, match="no worker can take part: old weights"):
        run(tmp_path, workers)
    assert len(workers.started) <= 6


def test_workers_that_never_start_do_not_hold_the_run_for_ever(tmp_path: Path) -> None:
    clock = Clock()
    workers = FakeWorkers(on_start=lambda name: [])

    def wait() -> None:
        clock.now_s += START_TIMEOUT_S / 4

    workers.on_wait = wait
    with pytest.raises(EngineError, match="no free place"):
        run(tmp_path, workers, clock=clock)


def test_a_killed_driver_s_folder_is_gone_on_with(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    workers = FakeWorkers()
    with job_folder(tmp_path) as folder:
        first = FileRun(FileQueue(units(6)), workers, folder, 1, Clock())

        def kill() -> None:
            if first.figures().done == 2:
                written(workers.given[-1][1], "half")
                raise Killed

        with pytest.raises(Killed):
            first.run(kill)
    done = list(done_files(tmp_path))
    assert [d.stream for d in done] == ["s0", "s1"]
    assert all(d.stands for d in done)

    left = [unit for unit in units(6) if unit.id not in {d.unit for d in done}]
    workers = FakeWorkers()
    with job_folder(tmp_path) as folder:
        second = FileRun(FileQueue(left), workers, folder, 2, Clock(), len(done))
        assert second.run()
    assert sorted(workers.files_given) == ["s2", "s3", "s4", "s5"]
    figures = second.figures()
    assert (figures.total, figures.done, figures.frames) == (6, 6, 40)


def test_stopping_drops_what_is_under_way(tmp_path: Path) -> None:
    workers = FakeWorkers(lambda workers, worker, attempt: [])
    with job_folder(tmp_path) as folder:
        made = FileRun(FileQueue(units(6)), workers, folder, 2, Clock())
        assert not made.run(made.stop)
    assert not list(done_files(tmp_path))
    assert not (tmp_path / ".attempts").exists()


def test_the_time_left_follows_the_rate_so_far(tmp_path: Path) -> None:
    clock = Clock()
    workers = FakeWorkers(lambda workers, worker, attempt: [])
    with job_folder(tmp_path) as folder:
        made = FileRun(FileQueue(units(5)), workers, folder, 1, clock)
        steps = iter(range(4))

        def tick() -> None:
            step = next(steps, None)
            if step is None:
                made.stop()
                return
            clock.now_s += 10
            workers.say(Done("w0", workers.given[-1][1].id, written(workers.given[-1][1])))

        made.run(tick)
    assert (made.figures().done, made.figures().running) == (4, 1)
    assert made.figures().eta_s == 10
