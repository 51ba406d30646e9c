from __future__ import annotations

import pytest

from streamfer.pipeline.stats.timing import StageTime, StageTimes


def test_times_and_calls_add_up_even_when_a_stage_fails() -> None:
    ticks = iter(range(100))
    times = StageTimes(clock=lambda: float(next(ticks)))
    with times.stage("detect", items=3):
        pass
    with pytest.raises(ValueError, match="boom"), times.stage("detect"):
        raise ValueError("boom")
    times.add("encode", 2.5)
    assert times.snapshot() == {"detect": StageTime(2.0, 2, 3), "encode": StageTime(2.5, 1)}
