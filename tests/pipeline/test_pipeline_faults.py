from __future__ import annotations

import itertools
import threading
import time

import pytest

from streamfer.errors import OutputError, PipelineError, SourceError
from streamfer.pipeline.config import PipelineConfig
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from tests.support.pipelines import FakeAnalyzer, plan, run
from tests.support.sinks import MemorySink
from tests.support.sources import FakeSource


@pytest.mark.parametrize("fail_at", [None, 0, 5])
def test_a_failed_source_leaves_the_others_running(fail_at: int | None) -> None:
    good, bad = MemorySink("good"), MemorySink("bad")
    error = SourceError("bad: cut off")
    source = FakeSource("bad", 10, fail_at=fail_at, error=error)
    outcome = run([plan(source, bad, is_open=False), plan(FakeSource("good", 30), good)])
    assert outcome.source_failures == (("bad", error),)
    assert good.indices == list(range(30))
    assert bad.indices == list(range(fail_at or 0))
    assert bad.events[-1].event == "error"
    assert bad.events[-1].details == {"message": "bad: cut off"}
    assert source.closed.is_set()
    assert bad.closed.is_set()


STAGES = ("source", "analyzer", "output", "close")


@pytest.mark.parametrize(
    ("stage", "frame", "full"), list(itertools.product(STAGES, [0, 20], [False, True]))
)
def test_fault_matrix(stage: str, frame: int, full: bool) -> None:
    """An unexpected error in any stage, queues empty or full: raised, and nothing lives on."""
    boom = ZeroDivisionError("boom")
    gate = threading.Semaphore(0)
    source = FakeSource(
        "talk",
        None if stage != "close" else 25,
        fail_at=frame if stage == "source" else None,
        error=boom if stage == "source" else None,
        gate=None if full else gate,
    )
    sink = MemorySink(
        fail_at=frame if stage == "output" else None,
        error=boom if stage in ("output", "close") else None,
    )
    other = MemorySink("other")
    analyzer = FakeAnalyzer(
        fail_at=frame if stage == "analyzer" else None, error=boom if stage == "analyzer" else None
    )
    plans = [plan(source, sink), plan(FakeSource("other", None), other)]
    with pytest.raises(PipelineError) as raised:
        run(plans, analyzer, on_tick=lambda _: gate.release())
    assert raised.value.__cause__ is boom
    assert raised.value.stage == ("output" if stage == "close" else stage)
    assert raised.value.stream == (None if stage == "analyzer" else "talk")
    assert source.closed.is_set()
    for output in (sink, other):  # a sink is made when its first frame arrives
        assert output.closed.is_set() or not output.results


def test_one_failed_output_leaves_the_other_outputs_running() -> None:
    error = OutputError("a.mp4: disk full")
    broken, whole = MemorySink("a.mp4", fail_at=3, error=error), MemorySink("records")
    outcome = run([plan(FakeSource(count=10), broken, whole)])
    assert outcome.output_failures == (("a.mp4", error),)
    assert whole.indices == list(range(10))
    assert [e.event for e in whole.events] == ["error"]
    assert broken.closed.is_set()


@pytest.mark.parametrize("fail_at", [None, 3])
def test_the_last_output_failing_ends_the_run(fail_at: int | None) -> None:
    error = OutputError("a.mp4: disk full")
    with pytest.raises(PipelineError, match="disk full") as raised:
        run([plan(FakeSource(count=10), MemorySink("a.mp4", fail_at=fail_at, error=error))])
    assert raised.value.exit_code == 4


def test_a_shared_output_that_failed_is_left_alone_by_all_streams() -> None:
    error = OutputError("records: disk full")
    shared = MemorySink("records", fail_at=3, error=error)
    videos = [MemorySink("a.mp4"), MemorySink("b.mp4")]
    outcome = run(
        [plan(FakeSource("a", 20), shared, videos[0]), plan(FakeSource("b", 20), shared, videos[1])]
    )
    assert [name for name, _ in outcome.output_failures] == ["records"]
    assert [len(video.results) for video in videos] == [20, 20]


def test_stop_drains_what_was_admitted_and_closes() -> None:
    sink = MemorySink()
    source = FakeSource("talk", None)

    def stop(pipeline: Pipeline) -> None:
        if len(sink.results) > 20:
            pipeline.stop()

    outcome = run([plan(source, sink)], on_tick=stop)
    assert outcome.interrupted
    assert sink.indices == list(range(len(sink.indices)))
    assert sink.closed.is_set()


def test_abort_ends_a_run_whose_output_is_slow() -> None:
    gate = threading.Event()
    sink = MemorySink(gate=gate)

    def abort(pipeline: Pipeline) -> None:
        pipeline.abort()
        gate.set()

    assert run([plan(FakeSource("talk", None), sink)], on_tick=abort).interrupted
    assert len(sink.results) <= 1
    assert sink.closed.is_set()


def test_a_failing_tick_ends_everything() -> None:
    def explode(_: Pipeline) -> None:
        raise KeyboardInterrupt

    sink = MemorySink()
    with pytest.raises(KeyboardInterrupt):
        run([plan(FakeSource("talk", None), sink)], on_tick=explode)
    assert sink.closed.is_set()


def test_a_source_stuck_in_a_read_does_not_hold_the_exit() -> None:
    release = threading.Event()

    class StuckSource(FakeSource):
        def frames(self):  # type: ignore[no-untyped-def]
            yield from super().frames()
            release.wait()

    sink = MemorySink()
    statistics = RunStatistics(time.monotonic, "fake", "cpu")
    settings = PipelineConfig(tick_s=0.01, stop_timeout_s=0.1)
    pipeline = Pipeline(
        [plan(StuckSource("camera", 5, live=True), sink)], FakeAnalyzer(), statistics, settings
    )
    outcome = pipeline.run(lambda: pipeline.stop() if sink.results else None)
    assert outcome.interrupted
    assert sink.closed.is_set()
    assert pipeline.stuck_threads == ("source camera",)
    release.set()
