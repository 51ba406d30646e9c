"""Sources of one's own: whole frames and events instead of decoded pictures."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
import pytest

from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult, StreamEvent, StreamInfo, UInt8Array
from tests.support.sinks import MemorySink


class ScriptedSource:
    """Yields what it is given."""

    name = "mine"

    def __init__(self, *items: Frame | StreamEvent, live: bool = False) -> None:
        self.live = live
        self._items = items

    def open(self) -> StreamInfo:
        return StreamInfo("mine", "mine", 6, 4, self.live)

    def frames(self) -> Iterator[Frame | StreamEvent]:
        yield from self._items

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Analyzer:
    """Finds no face; lets a live source run ahead until the gate opens."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        self.gate.wait(5)
        return [FrameResult(frame, ()) for frame in frames]

    def forget(self, stream: str) -> None: ...


def frame(index: int, time_s: float | None = None, image: UInt8Array | None = None) -> Frame:
    return Frame(
        stream="whatever",
        index=index,
        pts=index,
        time_base=Fraction(1, 10),
        time_s=index / 10 if time_s is None else time_s,
        decoded_at_s=0.0,
        image=np.zeros((4, 6, 3), np.uint8) if image is None else image,
    )


def run(source: ScriptedSource, *, lossless: bool = True) -> tuple[MemorySink, list[str]]:
    """What came out, and what failed."""
    sink = MemorySink()
    plan = StreamPlan(source, lambda _: [sink], source.open(), True, lossless)
    analyzer = Analyzer()
    if lossless:
        analyzer.gate.set()
    with Pipeline([plan], analyzer, RunStatistics(lambda: 0.0, "", "")) as pipeline:
        outcome = pipeline.run(analyzer.gate.set)
    return sink, [str(error) for _, error in outcome.source_failures]


def test_frames_take_the_name_of_the_stream() -> None:
    sink, failures = run(ScriptedSource(frame(0), frame(1)))
    assert [(r.frame.stream, r.frame.index) for r in sink.results] == [("mine", 0), ("mine", 1)]
    assert failures == []


def test_what_was_dropped_before_a_frame_is_counted() -> None:
    source = ScriptedSource(*(frame(i) for i in range(50)), live=True)
    sink, _ = run(source, lossless=False)
    assert sink.results[-1].frame.index == 49
    assert len(sink.results) + sum(r.frame.dropped for r in sink.results) == 50


@pytest.mark.parametrize(("from_clip", "state"), [(True, "running"), (False, "waiting")])
def test_a_clip_played_at_its_own_rate_is_running(from_clip: bool, state: str) -> None:
    """A live source says by itself when it is up; a clip, live or not, runs once it is open."""
    source = ScriptedSource(frame(0), live=True)
    info = dataclasses.replace(source.open(), from_clip=from_clip)
    statistics = RunStatistics(lambda: 0.0, "", "")
    seen = []

    class Watching(Analyzer):
        def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
            seen.extend(stream.state for stream in statistics.snapshot().streams)
            return [FrameResult(frame, ()) for frame in frames]

    plan = StreamPlan(source, lambda _: [MemorySink()], info, True, lossless=False)
    with Pipeline([plan], Watching(), statistics) as pipeline:
        pipeline.run()
    assert seen == [state]


def test_events_reach_the_outputs() -> None:
    sink, _ = run(ScriptedSource(frame(0), StreamEvent("whatever", "changed", 0.05), frame(1)))
    assert [(e.stream, e.event) for e in sink.events] == [("mine", "changed")]
    assert len(sink.results) == 2


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (frame(1, time_s=0.0), "mine: frame 1: its time, 0.0 s, is not after"),
        (frame(1, time_s=float("nan")), "mine: frame 1: its time"),
        (frame(1, time_s=float("inf")), "mine: frame 1: its time"),
        (frame(1, image=np.zeros((4, 6), np.uint8)), "mine: frame 1: its image"),
        (frame(1, image=np.zeros((4, 6, 4), np.uint8)), "mine: frame 1: its image"),
        (frame(1, image=np.zeros((0, 6, 3), np.uint8)), "mine: frame 1: its image has no pixels"),
    ],
)
def test_a_frame_that_no_output_could_bear_ends_its_stream(wrong: Frame, complaint: str) -> None:
    sink, failures = run(ScriptedSource(frame(0), wrong))
    assert len(sink.results) == 1
    assert len(failures) == 1
    assert failures[0].startswith(complaint)


@pytest.mark.parametrize("place", ["close", "interrupt"])
def test_a_source_that_cannot_be_ended_costs_nothing_else(place: str) -> None:
    class Stubborn(ScriptedSource):
        def interrupt(self) -> None:
            if place == "interrupt":
                raise RuntimeError("no")

        def close(self) -> None:
            if place == "close":
                raise RuntimeError("no")

    sink, failures = run(Stubborn(frame(0), frame(1)))
    assert len(sink.results) == 2
    assert sink.closed.is_set()
    assert failures == []


def test_pictures_can_be_drawn_on_whatever_their_memory_looks_like() -> None:
    bgr = np.arange(72, dtype=np.uint8).reshape(4, 6, 3)
    bgr.flags.writeable = False
    sink, _ = run(ScriptedSource(frame(0, image=bgr[:, :, ::-1]), frame(1, image=bgr)))
    for result, expected in zip(sink.results, (bgr[:, :, ::-1], bgr), strict=True):
        image = result.frame.image
        np.testing.assert_array_equal(image, expected)
        assert image.flags.c_contiguous
        assert image.flags.writeable
