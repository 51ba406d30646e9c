"""Cameras on many workers: none is without one for long."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from streamfer.app.cluster.camera_run import CameraRun
from streamfer.app.cluster.reports import Lost, Progress, Ready, Refused, Report, StreamFigures
from streamfer.errors import EngineError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from streamfer.types import StreamState
from tests.support.cluster import Clock, FakeWorkers


def cameras(count: int) -> list[SourceSpec]:
    return [
        SourceSpec(SourceKind.NETWORK, f"cam{n}", f"rtsp://user:secret@host/{n}")
        for n in range(count)
    ]


def said(stream: str, frames: int, state: StreamState = "live") -> StreamFigures:
    return StreamFigures(stream, state, frames, 1, 2, 25.0)


class Stage:
    """A run whose workers do what each step says."""

    def __init__(self, workers: FakeWorkers, count: int = 12, wanted: int = 2) -> None:
        self.clock = Clock()
        self.workers = workers
        self.run = CameraRun(cameras(count), workers, wanted, self.clock)

    def play(self, *steps: Callable[[], None]) -> None:
        """One look of the run, then the first step, and so on; then it is stopped."""
        left = iter([*steps, lambda: None, self.run.stop])
        self.run.run(lambda: next(left)())


def test_cameras_are_shared_evenly_once_all_workers_are_there() -> None:
    workers = FakeWorkers(on_start=lambda name: [Ready(name, name)] if name == "w0" else [])
    stage = Stage(workers)
    stage.play(
        lambda: None,
        lambda: _assert(workers.watched == []),
        lambda: workers.say(Ready("w1", "w1")),
    )
    assert [(worker, len(names), lost) for worker, names, lost in workers.watched] == [
        ("w0", 6, None),
        ("w1", 6, None),
    ]


def _assert(true: bool) -> None:
    assert true


def test_a_worker_that_never_starts_holds_the_others_for_a_minute_only() -> None:
    workers = FakeWorkers(on_start=lambda name: [Ready(name, name)] if name == "w0" else [])
    stage = Stage(workers)

    def wait() -> None:
        stage.clock.now_s += 61

    stage.play(wait)
    assert [(worker, len(names)) for worker, names, _ in workers.watched] == [("w0", 12)]


def test_the_cameras_of_a_lost_worker_go_to_the_other_at_once() -> None:
    workers = FakeWorkers(
        on_start=lambda name: [Ready(name, f"node-{name}")] if name in ("w0", "w1") else []
    )
    stage = Stage(workers)
    stage.play(lambda: workers.say(Lost("w0", "killed")))
    first, _, third = workers.watched
    assert third == ("w1", first[1], "node-w0")
    assert stage.clock.now_s == 1000  # without any time passing
    figures = stage.run.figures()
    assert (figures.running, figures.waiting, figures.lost, figures.moved) == (12, 0, 1, 6)
    assert len(workers.started) == 3
    assert {len(worker.streams) for worker in figures.workers} == {12, 0}


def test_with_nobody_left_they_wait_for_the_next_worker() -> None:
    workers = FakeWorkers(on_start=lambda name: [Ready(name, name)] if name == "w0" else [])
    stage = Stage(workers, count=3, wanted=1)
    stage.play(
        lambda: workers.say(Lost("w0", "killed")),
        lambda: _assert(stage.run.figures().waiting == 3),
        lambda: workers.say(Ready("w1", "w1")),
    )
    assert workers.watched[-1] == ("w1", ("cam0", "cam1", "cam2"), "w0")


def test_frames_that_a_lost_worker_has_counted_still_count() -> None:
    workers = FakeWorkers()
    stage = Stage(workers, count=1, wanted=1)
    stage.play(
        lambda: workers.say(Progress("w0", (said("cam0", 100),))),
        lambda: workers.say(Lost("w0", "killed")),
        lambda: None,
        lambda: workers.say(Progress("w1", (said("cam0", 7),))),
    )
    figures = stage.run.figures()
    assert (figures.frames, figures.dropped, figures.faces) == (107, 2, 4)


def test_it_ends_with_the_last_camera_and_names_those_that_failed() -> None:
    workers = FakeWorkers()
    run = CameraRun(cameras(2), workers, 1, Clock())

    def tick() -> None:
        workers.say(Progress("w0", (said("cam0", 5, "done"), said("cam1", 0, "failed"))))

    assert run.run(tick)
    figures = run.figures()
    assert (figures.done, list(figures.failed)) == (1, ["cam1"])


@pytest.mark.parametrize(
    "report", [lambda name: Refused(name, "old weights"), lambda name: Lost(name, "old weights")]
)
def test_with_no_worker_at_all_it_ends_and_says_why(report: Callable[[str], Report]) -> None:
    workers = FakeWorkers(on_start=lambda name: [report(name)])
    with pytest.raises(EngineError, match="no worker can take part: old weights"):
        CameraRun(cameras(3), workers, 2, Clock()).run()


def test_no_report_shows_a_password() -> None:
    stage = Stage(FakeWorkers())
    stage.play()
    assert "secret" not in str(stage.run.figures().to_dict())
    assert "secret" not in repr(cameras(1))
