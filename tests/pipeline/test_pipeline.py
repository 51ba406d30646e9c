from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from streamfer.errors import OutputError, PipelineError, SourceError
from streamfer.pipeline.collector import CollectorConfig
from streamfer.pipeline.config import PipelineConfig, RunOutcome
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.outlet import Sink
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult, StreamEvent
from tests.support.sinks import MemorySink
from tests.support.sources import FakeSource, stream_info


class FakeAnalyzer:
    """Finds no face, and fails where it is told to."""

    def __init__(
        self,
        *,
        fail_at: int | None = None,
        error: BaseException | None = None,
        gate: threading.Event | None = None,
    ) -> None:
        self.batches: list[int] = []
        self.forgotten: list[str] = []
        self._fail_at = fail_at
        self._error = error
        self._gate = gate

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        if self._gate is not None:
            self._gate.wait()
        self.batches.append(len(frames))
        for frame in frames:
            if frame.index == self._fail_at and self._error is not None:
                raise self._error
        return [FrameResult(frame, ()) for frame in frames]

    def forget(self, stream: str) -> None:
        self.forgotten.append(stream)


def plan(
    source: FakeSource, *sinks: Sink, is_open: bool = True, lossless: bool | None = None
) -> StreamPlan:
    return StreamPlan(
        source=source,
        make_sinks=lambda _: list(sinks),
        info=stream_info(source.name, source.live),
        is_open=is_open,
        lossless=not source.live if lossless is None else lossless,
    )


def run(
    plans: Sequence[StreamPlan],
    analyzer: FakeAnalyzer | None = None,
    *,
    on_tick: Callable[[Pipeline], None] = lambda _: None,
    statistics: RunStatistics | None = None,
    **config: object,
) -> RunOutcome:
    settings = PipelineConfig(tick_s=0.01, **config)  # type: ignore[arg-type]
    statistics = statistics or RunStatistics(time.monotonic, "fake", "cpu")
    with Pipeline(plans, analyzer or FakeAnalyzer(), statistics, settings) as pipeline:
        return pipeline.run(lambda: on_tick(pipeline))


def test_every_frame_of_a_file_reaches_every_sink_in_order() -> None:
    sinks = [MemorySink("a"), MemorySink("b")]
    source = FakeSource(count=100)
    outcome = run([plan(source, *sinks)])
    assert [sink.indices for sink in sinks] == [list(range(100))] * 2
    assert all(sink.closed.is_set() for sink in sinks)
    assert source.closed.is_set()
    assert (outcome.interrupted, outcome.source_failures, outcome.output_failures) == (
        False,
        (),
        (),
    )


def test_pictures_are_converted_exactly_once() -> None:
    sink = MemorySink()
    run([plan(FakeSource(count=3), sink)])
    assert [int(r.frame.image[0, 0, 0]) for r in sink.results] == [0, 1, 2]
    assert sink.results[0].frame.image.dtype == np.uint8


def test_streams_run_side_by_side_and_keep_their_frames_apart() -> None:
    sinks = {name: MemorySink(name) for name in "abcd"}
    run([plan(FakeSource(name, 50), sink) for name, sink in sinks.items()])
    for name, sink in sinks.items():
        assert sink.indices == list(range(50))
        assert {r.frame.stream for r in sink.results} == {name}


def test_frames_are_counted_without_any_sink() -> None:
    statistics = RunStatistics(time.monotonic, "fake", "cpu")
    run([plan(FakeSource(count=20))], statistics=statistics)
    snapshot = statistics.snapshot()
    assert (snapshot.frames, snapshot.dropped) == (20, 0)
    assert snapshot.streams[0].state == "done"


def test_a_live_source_drops_what_the_analyzer_cannot_take_and_counts_it() -> None:
    gate = threading.Event()
    source = FakeSource("camera", 200, live=True)
    sink = MemorySink()
    statistics = RunStatistics(time.monotonic, "fake", "cpu")

    def open_gate_once_all_is_decoded(_: Pipeline) -> None:
        if source.closed.is_set():
            gate.set()

    run(
        [plan(source, sink)],
        FakeAnalyzer(gate=gate),
        on_tick=open_gate_once_all_is_decoded,
        statistics=statistics,
    )
    assert sink.indices[-1] == 199
    assert len(sink.indices) < 200
    snapshot = statistics.snapshot()
    assert snapshot.frames + snapshot.dropped == 200
    assert sum(r.frame.dropped for r in sink.results) == snapshot.dropped


def test_a_slow_writer_slows_its_own_stream_only() -> None:
    gate = threading.Event()
    slow, quick = MemorySink("slow", gate=gate), MemorySink("quick")

    def release(_: Pipeline) -> None:
        if len(quick.results) == 200:
            gate.set()

    run([plan(FakeSource("s", 100), slow), plan(FakeSource("q", 200), quick)], on_tick=release)
    assert (len(slow.results), len(quick.results)) == (100, 200)


def test_at_most_so_many_files_are_open_at_once() -> None:
    lock, now, most = threading.Lock(), [0], [0]

    class CountingSource(FakeSource):
        def open(self):  # type: ignore[no-untyped-def]
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            return super().open()

        def close(self) -> None:
            if not self.closed.is_set():
                with lock:
                    now[0] -= 1
            super().close()

    sinks = [MemorySink(f"m{n}") for n in range(12)]
    plans = [plan(CountingSource(f"f{n}", 5), sink, is_open=False) for n, sink in enumerate(sinks)]
    run(plans, concurrent_files=3)
    assert most[0] <= 3
    assert [sink.indices for sink in sinks] == [list(range(5))] * 12
    # Their sizes were not known when the records' header was written, so an event brings them.
    assert [sink.events[0].event for sink in sinks] == ["opened"] * 12


def test_max_frames_ends_each_stream() -> None:
    sink, endless = MemorySink("a"), MemorySink("b")
    run([plan(FakeSource("a", 3), sink), plan(FakeSource("b", None), endless)], max_frames=7)
    assert (sink.indices, endless.indices) == ([0, 1, 2], list(range(7)))


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


def test_events_of_a_source_keep_their_place_and_are_never_dropped() -> None:
    sink = MemorySink()
    outcome = run([plan(FakeSource("talk", 5), sink, is_open=False)], queue_size=1)
    assert outcome.source_failures == ()
    assert [event.event for event in sink.events] == ["opened"]
    assert sink.events[0].details == {"width": 6, "height": 4}


def test_a_live_source_s_events_reach_outputs_and_views() -> None:
    source = FakeSource("camera", None, live=True)
    sink = MemorySink()
    statistics = RunStatistics(time.monotonic, "fake", "cpu")
    settings = PipelineConfig(tick_s=0.01)
    pipeline = Pipeline([plan(source, sink)], FakeAnalyzer(), statistics, settings)
    size = {"width": 640, "height": 360}

    def tick() -> None:
        if not sink.events:
            pipeline.post(StreamEvent("camera", "opened", 0.0, details=size))
            pipeline.post(StreamEvent("never heard of", "opened", 0.0))
        else:
            pipeline.stop()

    with pipeline:
        pipeline.run(tick)
    assert sink.events[0].event == "opened"
    info = statistics.snapshot().streams[0].info
    assert (info.width, info.height, info.live) == (640, 360, True)


def test_batches_stay_within_their_limit() -> None:
    analyzer = FakeAnalyzer()
    run(
        [plan(FakeSource(f"s{n}", 40)) for n in range(4)],
        analyzer,
        collector=CollectorConfig(max_batch=5),
    )
    assert max(analyzer.batches) <= 5
    assert sorted(analyzer.forgotten) == [f"s{n}" for n in range(4)]
