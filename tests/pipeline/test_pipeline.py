from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from streamfer.errors import SourceError
from streamfer.media.sources.source import PendingFrame
from streamfer.pipeline.collector import CollectorConfig
from streamfer.pipeline.config import PipelineConfig
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import StreamEvent, UInt8Array
from tests.support.pipelines import FakeAnalyzer, plan, run
from tests.support.sinks import MemorySink
from tests.support.sources import FakeSource, SolidPicture


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


def test_a_live_picture_that_cannot_be_converted_counts_as_dropped() -> None:
    class Damaged(SolidPicture):
        def to_rgb(self) -> UInt8Array:
            raise SourceError("camera: damaged")

    class DamagedSource(FakeSource):
        def frames(self) -> Iterator[PendingFrame]:
            for item in super().frames():
                damaged = item.index in (1, 2, 4)
                yield replace(item, picture=Damaged()) if damaged else item
                taken.acquire()

    taken = threading.Semaphore(0)
    sink = MemorySink()
    statistics = RunStatistics(time.monotonic, "fake", "cpu")
    source = DamagedSource("camera", 5, live=True)
    run([plan(source, sink)], on_tick=lambda _: taken.release(), statistics=statistics)
    assert sum(result.frame.dropped + 1 for result in sink.results) + 1 == 5
    assert statistics.snapshot().dropped + len(sink.results) == 5
