from __future__ import annotations

import pytest

from streamfer.pipeline.stats.histogram import BOUNDS_S, Histogram


def test_counts_are_cumulative_and_bounds_belong_to_their_bucket() -> None:
    histogram = Histogram()
    for seconds in (0.001, 0.005, 0.006, 99.0):
        histogram.add(seconds)
    snapshot = histogram.snapshot()
    assert snapshot.cumulative[:3] == (2, 3, 3)
    assert snapshot.cumulative[-2:] == (3, 4)
    assert len(snapshot.cumulative) == len(BOUNDS_S) + 1
    assert snapshot.sum_s == pytest.approx(99.012)
