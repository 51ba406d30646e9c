"""Streams that join and leave a running pipeline."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.source import PendingFrame
from streamfer.pipeline.config import PipelineConfig, RunOutcome
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult
from tests.support.sinks import MemorySink
from tests.support.sources import FakeSource, pending, stream_info


class Analyzer:
    """Finds no face."""

    def __init__(self) -> None:
        self.forgotten: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        self.meanwhile()
        return [FrameResult(frame, ()) for frame in frames]

    def forget(self, stream: str) -> None:
        self.forgotten.append(stream)


class Run:
    """A pipeline in a thread."""

    def __init__(self, *plans: StreamPlan) -> None:
        self.analyzer = Analyzer()
        self.statistics = RunStatistics(lambda: 0.0, "", "")
        settings = PipelineConfig(tick_s=0.005)
        self.pipeline = Pipeline(plans, self.analyzer, self.statistics, settings)
        self.stopping = threading.Event()
        self.outcome: RunOutcome | None = None
        self._tick = threading.Condition()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that the pipeline does."""
        with self._tick:
            assert self._tick.wait_for(condition, 60)

    def end(self) -> RunOutcome:
        """Stops it."""
        self.stopping.set()
        self._thread.join(60)
        assert self.outcome is not None
        return self.outcome

    def ended(self) -> RunOutcome:
        """Waits until it ends by itself."""
        self._thread.join(60)
        assert self.outcome is not None
        return self.outcome

    def streams(self) -> list[str]:
        return [stream.info.stream for stream in self.statistics.snapshot().streams]

    def _run(self) -> None:
        with self.pipeline:
            self.outcome = self.pipeline.run(self._on_tick)

    def _on_tick(self) -> None:
        with self._tick:
            self._tick.notify_all()
        if self.stopping.is_set():
            self.pipeline.stop()


def plan(source: FakeSource, sink: MemorySink) -> StreamPlan:
    info = stream_info(source.name, source.live)
    return StreamPlan(source, lambda _: [sink], info, is_open=True, lossless=True)


def test_a_stream_joins_and_the_run_outlives_all_of_them() -> None:
    first, second = MemorySink("a"), MemorySink("b")
    gate = threading.Semaphore(0)
    run = Run(plan(FakeSource("a", 3, gate=gate), first))
    run.pipeline.add(plan(FakeSource("b", 3), second))
    for _ in range(4):
        gate.release()
    run.until(lambda: first.closed.is_set() and second.closed.is_set())
    assert run.outcome is None
    assert run.streams() == ["a", "b"]
    assert run.end().interrupted
    assert first.indices == second.indices == [0, 1, 2]


def test_a_stream_leaves_and_its_name_is_free_again() -> None:
    sinks = [MemorySink("a"), MemorySink("b"), MemorySink("a")]
    gate = threading.Semaphore(0)
    run = Run(
        plan(FakeSource("a", None), sinks[0]), plan(FakeSource("b", None, gate=gate), sinks[1])
    )
    run.until(lambda: len(sinks[0].results) > 3)
    assert run.pipeline.remove("a")
    assert run.pipeline.remove("a") in (True, False)  # it may be gone already
    run.until(lambda: sinks[0].closed.is_set() and run.streams() == ["b"])
    assert run.analyzer.forgotten == ["a"]
    run.pipeline.add(plan(FakeSource("a", 2), sinks[2]))
    run.until(lambda: sinks[2].closed.is_set())
    gate.release(1000)
    run.end()
    assert sinks[2].indices == [0, 1]
    total = len(sinks[0].results) + len(sinks[1].results) + len(sinks[2].results)
    assert run.statistics.snapshot().frames == total


def test_a_name_is_taken_once() -> None:
    gate = threading.Semaphore(0)
    run = Run(plan(FakeSource("a", None, gate=gate), MemorySink()))
    with pytest.raises(ConfigError, match="a stream a already"):
        run.pipeline.add(plan(FakeSource("a"), MemorySink()))
    gate.release(1000)
    run.end()


def test_a_source_that_leaves_before_its_turn_is_closed() -> None:
    source = FakeSource("a", 1)
    statistics = RunStatistics(lambda: 0.0, "", "")
    pipeline = Pipeline([plan(source, MemorySink())], Analyzer(), statistics)
    assert pipeline.remove("a")
    assert source.closed.is_set()


def test_nobody_of_that_name() -> None:
    run = Run(plan(FakeSource("a", 1), MemorySink()))
    assert not run.pipeline.remove("b")
    run.end()


def test_asking_for_a_stream_that_is_not_there_holds_no_run_open() -> None:
    sink = MemorySink("a")
    gate = threading.Semaphore(0)
    run = Run(plan(FakeSource("a", 1, gate=gate), sink))
    assert not run.pipeline.remove("b")
    gate.release()
    assert not run.ended().interrupted


def test_a_stream_that_has_ended_can_be_taken_out() -> None:
    gate, first = threading.Semaphore(0), MemorySink("a")
    run = Run(
        plan(FakeSource("a", 1), first), plan(FakeSource("b", None, gate=gate), MemorySink("b"))
    )
    run.until(lambda: "done" in [s.state for s in run.statistics.snapshot().streams])
    assert run.pipeline.remove("a")
    assert run.streams() == ["b"]
    assert not run.pipeline.remove("a")
    gate.release(1000)
    run.end()
    assert run.statistics.snapshot().frames >= 1


class StuckSource(FakeSource):
    """Sits in a read that nothing can interrupt, and gives a frame after it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.go_on = threading.Event()

    def frames(self) -> Iterator[PendingFrame]:
        yield pending(0)
        self.go_on.wait()
        yield pending(1)
        raise SourceError("a: lost")


def test_a_source_that_comes_back_after_its_stream_has_left_fails_nobody() -> None:
    source, sinks = StuckSource("a"), [MemorySink("a"), MemorySink("b")]
    run = Run(plan(source, sinks[0]), plan(FakeSource("b", None), sinks[1]))
    run.until(lambda: len(sinks[0].results) == 1)
    assert run.pipeline.remove("a")
    run.until(lambda: run.streams() == ["b"])
    source.go_on.set()
    run.until(source.closed.is_set)
    so_far = len(sinks[1].results)
    run.until(lambda: len(sinks[1].results) > so_far)
    run.end()
    assert run.streams() == ["b"]


def test_frames_under_way_of_a_stream_that_has_left_fail_nobody() -> None:
    run = Run(*(plan(FakeSource(name, None), MemorySink(name)) for name in ("a", "b")))

    def leave() -> None:
        run.pipeline.remove("a")
        run.pipeline.abort()
        run.until(lambda: "a" not in run.streams())

    run.analyzer.meanwhile = leave
    assert run.ended().interrupted


def test_nothing_joins_a_run_that_ends() -> None:
    run = Run(plan(FakeSource("a", 1), MemorySink()))
    run.ended()
    with pytest.raises(ConfigError, match="is ending"):
        run.pipeline.add(plan(FakeSource("b"), MemorySink()))
