from __future__ import annotations

import numpy as np
import pytest

from streamfer.pipeline.stats.latencies import RecentLatencies


def test_of_nothing() -> None:
    latencies = RecentLatencies(4)
    assert latencies.percentiles() is None
    assert latencies.last() is None


def test_only_the_last_ones_count() -> None:
    latencies = RecentLatencies(4)
    for seconds in (9.0, 8.0, 0.01, 0.02, 0.03, 0.04):
        latencies.add(seconds)
        assert latencies.last() == seconds
    found = latencies.percentiles()
    assert found is not None
    assert found.p50 == pytest.approx(25.0)
    assert found.p99 < 41


def test_before_there_are_so_many_all_count() -> None:
    latencies = RecentLatencies(1000)
    seconds = np.random.default_rng(0).uniform(0, 1, 100)
    for value in seconds:
        latencies.add(value)
    found = latencies.percentiles()
    assert found is not None
    assert found.p95 == pytest.approx(np.percentile(seconds, 95) * 1000)
