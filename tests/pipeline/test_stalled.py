from __future__ import annotations

import pytest

from streamfer.pipeline.stats.stats import RunStatistics
from tests.support.live import FakeClock
from tests.support.sources import stream_info


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def statistics(clock: FakeClock) -> RunStatistics:
    statistics = RunStatistics(clock, "openvino", "cpu")
    statistics.add_stream(stream_info("cam", live=True))
    return statistics


def state(statistics: RunStatistics) -> str:
    return statistics.snapshot().streams[0].state


def test_a_live_stream_that_says_nothing_is_shown_as_stalled(
    statistics: RunStatistics, clock: FakeClock
) -> None:
    statistics.set_state("cam", "live")
    clock.now_s += 2.0
    assert state(statistics) == "live"
    statistics.decoded("cam")
    clock.now_s += 2.0
    assert state(statistics) == "live"
    clock.now_s += 1.0
    assert state(statistics) == "stalled"
    statistics.decoded("cam")
    assert state(statistics) == "live"


def test_only_live_streams_stall(statistics: RunStatistics, clock: FakeClock) -> None:
    statistics.set_state("cam", "running")
    clock.now_s += 60.0
    assert state(statistics) == "running"
    statistics.set_state("cam", "reconnecting", "connection lost")
    clock.now_s += 60.0
    assert state(statistics) == "reconnecting"
