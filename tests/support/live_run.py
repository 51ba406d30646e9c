"""A pipeline of live streams whose analyzer reads the numbers drawn into the pictures."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfer.media.sources.live import LiveCallbacks, LiveSource
from streamfer.pipeline.config import RunOutcome
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.snapshots import StreamSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult
from tests.support.clock_pattern import read_number
from tests.support.sinks import MemorySink

Scenario = Callable[["LiveRun"], Iterator[None]]
"""Yields to let the run go on for one tick."""


@dataclass(frozen=True)
class Seen:
    """One analysed frame, without its pixels."""

    index: int
    number: int | None
    """What is drawn into it."""
    time_s: float
    dropped: int
    done_s: float
    """When its analysis ended, on the monotonic clock."""
    age_s: float
    """From when it left the decoder until then."""


class NumberReader:
    """An analyzer that reads the number of every frame and takes its time over it.

    Args:
        frame_s: seconds that a frame costs.
    """

    def __init__(self, frame_s: float = 0.0) -> None:
        self._frame_s = frame_s
        self._never = threading.Event()
        self.seen: dict[str, list[Seen]] = defaultdict(list)

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        for frame in frames:
            number = read_number(frame.image)
            self._never.wait(self._frame_s)
            done_s = time.monotonic()
            age_s = done_s - frame.decoded_at_s
            seen = Seen(frame.index, number, frame.time_s, frame.dropped, done_s, age_s)
            self.seen[frame.stream].append(seen)
        return [FrameResult(frame, ()) for frame in frames]

    def forget(self, stream: str) -> None:
        pass


class CountingSink(MemorySink):
    """Keeps events, and of results only that they came."""

    def write(self, result: FrameResult) -> None:
        pass


class LiveRun:
    """Runs live streams through a real pipeline while a scenario happens to them.

    Args:
        analyze: the analyzer.
    """

    def __init__(self, analyze: NumberReader) -> None:
        self.analyze = analyze
        self.statistics = RunStatistics(time.monotonic, "none", "cpu")
        self.sinks: dict[str, CountingSink] = {}
        self.outcome: RunOutcome | None = None
        self.states: dict[str, list[str]] = defaultdict(list)
        self._pipeline: Pipeline | None = None

    def callbacks(self, name: str) -> LiveCallbacks:
        """What the stream's source has to be given."""

        def on_state(state: str, reason: str | None) -> None:
            self.states[name].append(state)
            self.statistics.set_state(name, state, reason)

        return LiveCallbacks(lambda event: self._pipeline.post(event), on_state)

    def play(self, sources: Sequence[LiveSource], scenario: Scenario) -> None:
        """Runs until the scenario ends."""
        plans = [self._plan(source) for source in sources]
        with Pipeline(plans, self.analyze, self.statistics) as pipeline:
            self._pipeline = pipeline
            steps = scenario(self)
            self.outcome = pipeline.run(lambda: self._step(steps))

    def stream(self, name: str) -> StreamSnapshot:
        """What the live view would show of a stream."""
        streams = self.statistics.snapshot().streams
        return next(stream for stream in streams if stream.info.stream == name)

    def count(self, name: str) -> int:
        """Frames analysed so far."""
        return len(self.analyze.seen[name])

    def more_frames(self, name: str, frames: int, limit_s: float = 60.0) -> Iterator[None]:
        """Lets the run go on until so many more of a stream's frames are analysed."""
        enough = self.count(name) + frames
        return until(lambda: self.count(name) >= enough, limit_s)

    def _plan(self, source: LiveSource) -> StreamPlan:
        sink = self.sinks[source.name] = CountingSink(source.name)
        return StreamPlan(source, lambda _info: [sink], source.open(), True, lossless=False)

    def _step(self, steps: Iterator[None]) -> None:
        if next(steps, self) is self:
            self._pipeline.stop()


def until(condition: Callable[[], bool], limit_s: float = 60.0) -> Iterator[None]:
    """Lets the run go on until something is so; fails the test if that takes too long."""
    end_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end_s, f"still waiting after {limit_s:g} s"
        yield


def for_seconds(seconds: float) -> Iterator[None]:
    """Lets the run go on for a while."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        yield


def ages_s(seen: Sequence[Seen], send_log: Path, cycle: int) -> list[float]:
    """Seconds from when the server sent each frame to when its analysis ended.

    Args:
        seen: analysed frames in order.
        send_log: what the server noted.
        cycle: the server's numbers are drawn modulo this.
    """
    sent: dict[int, list[float]] = defaultdict(list)
    for line in send_log.read_text().splitlines():
        number, sent_s = line.split()
        sent[int(number) % cycle].append(float(sent_s))
    return [
        frame.done_s - max(sent_s for sent_s in sent[frame.number] if sent_s < frame.done_s)
        for frame in seen
        if frame.number is not None
    ]
