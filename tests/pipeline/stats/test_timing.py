from __future__ import annotations

import pytest

from streamfer.pipeline.stats.timing import StageTime, StageTimes


def test_times_and_calls_add_up_even_when_a_stage_fails() -> None:
    ticks = iter(range(100))
    core_ticks = iter(range(0, 1000, 10))
    times = StageTimes(lambda: float(next(ticks)), lambda: float(next(core_ticks)))
    with times.stage("detect", items=3):
        pass
    with pytest.raises(ValueError, match="boom"), times.stage("detect"):
        raise ValueError("boom")
    times.add("encode", 2.5)
    times.wrote("encode", 700)
    times.wrote("encode", 77)
    assert times.snapshot() == {
        "detect": StageTime(2.0, 2, 3, core_seconds=20.0),
        "encode": StageTime(2.5, 1, written_bytes=777),
    }
