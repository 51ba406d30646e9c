from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest

from streamfer.media.sources.timeline import Timeline

MS = Fraction(1, 1000)

CASES = {
    "sane PTS stay": ([0, 40, 80], [0, 40, 80]),
    "variable frame rate stays": ([0, 40, 90, 91, 5000], [0, 40, 90, 91, 5000]),
    "start is kept": ([7200, 7240], [7200, 7240]),
    "negative start is kept": ([-80, -40, 0], [-80, -40, 0]),
    "missing advances by a frame": ([0, None, 80, None], [0, 40, 80, 120]),
    "all missing": ([None, None, None], [0, 40, 80]),
    "missing first": ([None, 40, 80], [0, 40, 80]),
    "duplicate leaves its successors alone": ([0, 40, 40, 80], [0, 40, 41, 80]),
    "swapped pair": ([0, 80, 40, 120], [0, 80, 81, 120]),
    "jitter": ([1000, 1200, 1040, 1080, 1210], [1000, 1200, 1201, 1202, 1210]),
    "jitter of more than a fifth of a second": ([1000, 2000, 1001, 2080], [1000, 2000, 2040, 2080]),
    "reset by less than a second": ([5000, 4500, 4540, 4590], [5000, 5040, 5080, 5130]),
    "one stray PTS": ([5000, 5040, 0, 5120], [5000, 5040, 5080, 5120]),
    "two stray PTS in a row": ([5000, 0, 0, 5120], [5000, 5040, 5080, 5120]),
    "reset goes on without a gap": ([5000, 0, 40, 90], [5000, 5040, 5080, 5130]),
    "reset to missing": ([5000, 0, None, 80], [5000, 5040, 5080, 5120]),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES.keys())
def test_repairs_pts(given: list[int | None], expected: list[int]) -> None:
    timeline = Timeline(MS, 0.04)
    instants = [timeline.place(pts) for pts in given]
    assert [i.pts for i in instants] == expected
    assert [i.time_s for i in instants] == [(pts - expected[0]) / 1000 for pts in expected]


def test_coarse_time_base_still_increases() -> None:
    timeline = Timeline(Fraction(1, 25), 0.04)
    assert [timeline.place(pts).pts for pts in (0, 1, 1, 1, 5)] == [0, 1, 2, 3, 5]


def test_restart_follows_by_one_frame() -> None:
    timeline = Timeline(MS, 0.04)
    first = [timeline.place(pts).pts for pts in (100, 140)]
    timeline.restart()
    second = [timeline.place(pts).pts for pts in (100, 140)]
    assert first + second == [100, 140, 180, 220]


def test_restart_with_gap_and_other_time_base() -> None:
    timeline = Timeline(MS, 0.04)
    timeline.place(0)
    timeline.restart(gap_s=2.5, time_base=Fraction(1, 90000))
    assert [timeline.place(pts).pts for pts in (900_000, 903_600)] == [2500, 2540]


def test_restart_before_the_first_missing_pts() -> None:
    timeline = Timeline(MS, 0.04)
    timeline.place(1000)
    timeline.restart(gap_s=1.0)
    assert [timeline.place(pts).pts for pts in (None, 7000, 7040)] == [2000, 2040, 2080]


def test_restart_of_an_unused_timeline_changes_nothing() -> None:
    timeline = Timeline(MS, 0.04)
    timeline.restart(gap_s=3.0)
    assert timeline.place(500).pts == 500


def test_long_times_stay_distinct() -> None:
    timeline = Timeline(Fraction(1, 90000), 0.04)
    start = 2**40
    times = [timeline.place(start + i).time_s for i in range(1000)]
    assert all(a < b for a, b in pairwise(times))
