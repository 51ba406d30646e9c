"""Moments that are chosen from made-up codes."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.app.report.find.search import nearest
from streamfer.media.records.latent_reader import LatentRows
from streamfer.types import FloatArray


def slowly_falling(seconds: int, rate: int = 30) -> LatentRows:
    """One face whose strength falls from frame to frame."""
    count = seconds * rate
    numbers = np.arange(count)
    codes = np.linspace(1, 0, count, dtype=np.float32)[:, None]
    return LatentRows(["talk"] * count, np.ones(count, np.int64), numbers, numbers / rate, codes)


def strength(codes: FloatArray) -> FloatArray:
    return codes


@pytest.mark.parametrize(("count", "apart_s", "found"), [(10, 10, 10), (3, 60, 3), (100, 10, 60)])
def test_a_strong_minute_does_not_push_all_other_moments_out(
    count: int, apart_s: float, found: int
) -> None:
    moments = nearest([slowly_falling(600)], strength, None, count, apart_s)
    assert len(moments) == found
    times = sorted(moment.time_s for moment in moments)
    assert times[0] == 0
    assert apart_s <= np.diff(times).min() <= np.diff(times).max() <= 1.125 * apart_s


def test_without_a_distance_the_best_frames_are_found() -> None:
    moments = nearest([slowly_falling(10)], strength, None, 3, 0)
    assert [moment.frame for moment in moments] == [0, 1, 2]
