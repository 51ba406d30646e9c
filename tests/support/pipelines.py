from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from streamfer.pipeline.config import PipelineConfig, RunOutcome
from streamfer.pipeline.lane import StreamPlan
from streamfer.pipeline.outlet import Sink
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult
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
