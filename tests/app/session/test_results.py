"""How a run ends whose results nobody takes any more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

import pytest

from streamfer.app.session.job import Job
from streamfer.app.session.outcome import Outcome
from streamfer.app.session.results import ResultQueue, Results


class FakeJob:
    """Runs until it is told to end; `work` is done first, in a thread of the run."""

    def __init__(self, queue: ResultQueue, work: Callable[[], None]) -> None:
        self._queue = queue
        self._work = work
        self._aborted = threading.Event()

    def run(self, on_tick: Callable[[], None]) -> Any:
        self._queue.write(cast("Any", "a result"))
        helper = threading.Thread(target=self._work, daemon=True)
        helper.start()
        helper.join()
        while not self._aborted.is_set():
            on_tick()
        return cast("Outcome", type("Ended", (), {"failures": ()}))

    def abort(self) -> None:
        self._aborted.set()


@pytest.mark.timeout(60)
def test_results_that_are_dropped_in_a_thread_of_the_run_end_it() -> None:
    kept: list[Results] = []
    taken, ended = threading.Event(), threading.Event()

    def drop() -> None:
        taken.wait()
        kept.clear()

    queue = ResultQueue()
    kept.append(Results(lambda: cast("Job", FakeJob(queue, drop)), queue))
    kept[0].when_ended(ended.set)
    next(kept[0])
    taken.set()
    assert ended.wait(30)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("begun", [False, True])
def test_results_that_their_taker_drops_have_ended_when_they_are_gone(begun: bool) -> None:
    ended = threading.Event()
    queue = ResultQueue()
    results = Results(lambda: cast("Job", FakeJob(queue, lambda: None)), queue)
    results.when_ended(ended.set)
    if begun:
        next(results)
    del results
    assert ended.is_set()
