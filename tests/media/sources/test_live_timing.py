from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import pytest

from streamfer.media.sources.live_timing import LiveTimeline, Pace, backoff_s

MS = Fraction(1, 1000)


def place(timeline: LiveTimeline, *frames: tuple[int | None, float]) -> list[float]:
    return [round(timeline.place(pts, arrived_s).time_s, 3) for pts, arrived_s in frames]


def test_follows_pts_within_a_connection_whatever_the_arrival() -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    assert place(timeline, (500, 9.0), (540, 9.5), (580, 9.5)) == [0.0, 0.04, 0.08]
    assert timeline.time_s == 0.08


def test_a_reconnect_takes_as_long_as_it_took() -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    place(timeline, (500, 9.0), (540, 9.04))
    timeline.connect(Fraction(1, 90_000), 25.0)
    assert place(timeline, (0, 12.04), (3600, 12.08)) == [3.04, 3.08]


def test_the_first_pts_after_a_reconnect_counts_even_if_it_comes_late() -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    place(timeline, (500, 9.0))
    timeline.connect(MS, 25.0)
    assert place(timeline, (None, 10.0), (70_000_000, 10.001), (70_000_040, 10.05)) == [
        1.0,
        1.04,
        1.08,
    ]


@pytest.mark.parametrize("jump_s", [86_400, 30, -30, -2])
def test_a_jump_of_the_senders_clock_is_no_jump_of_media_time(jump_s: int) -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    start = 100_000
    assert place(timeline, (start, 9.0), (start + 40, 9.04)) == [0.0, 0.04]
    assert timeline.jump_s is None
    after = start + 140 + jump_s * 1000
    assert place(timeline, (after, 9.14)) == [0.14]
    assert timeline.jump_s == pytest.approx(jump_s)
    assert place(timeline, (after + 40, 9.18)) == [0.18]
    assert timeline.jump_s is None


def test_a_burst_after_a_stall_keeps_its_pts() -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    frames = ((0, 9.0), (3000, 12.0), (3040, 12.0), (3080, 12.0))
    assert place(timeline, *frames) == [0.0, 3.0, 3.04, 3.08]


def test_time_never_stands_still_or_goes_back() -> None:
    timeline = LiveTimeline()
    timeline.connect(MS, 25.0)
    times = place(timeline, (0, 1.0), (0, 1.0), (5000, 2.0), (40, 2.1), (80, 2.2), (120, 2.3))
    timeline.connect(MS, None)
    times += place(timeline, (0, 2.3), (0, 2.3), (None, 2.3))
    assert times == sorted(times)
    assert len(set(times)) == len(times)


def test_pace_spreads_a_burst() -> None:
    pace = Pace()
    assert [pace.delay_s(t, 100.0) for t in (5.0, 5.04, 5.08)] == pytest.approx([0, 0.04, 0.08])


def test_pace_catches_up_a_little_and_starts_anew_after_much() -> None:
    pace = Pace()
    pace.delay_s(0.0, 100.0)
    assert pace.delay_s(0.5, 101.4) == 0.0  # 0.9 s late: hurry
    assert pace.delay_s(2.0, 101.4) == pytest.approx(0.6)
    assert pace.delay_s(2.5, 110.0) == 0.0  # 7.5 s late: from here on
    assert pace.delay_s(3.0, 110.0) == pytest.approx(0.5)


def ages_s(arrivals: Iterable[tuple[float, float]]) -> list[float]:
    """How late each picture is passed on, given its media time and when it can first be read."""
    pace, now_s, ages = Pace(), 0.0, []
    for time_s, there_s in arrivals:
        now_s = max(now_s, there_s)  # nobody reads ahead
        now_s += pace.delay_s(time_s, now_s)
        ages.append(now_s - there_s)
    return ages


def week_of_pictures(step_s: float = 2.0) -> list[float]:
    return [number * step_s for number in range(round(7 * 86_400 / step_s))]


@pytest.mark.parametrize("ppm", [50, 200, -50])
def test_pictures_of_a_clock_that_is_not_ours_do_not_age(ppm: int) -> None:
    ages = ages_s((time_s, time_s / (1 + ppm * 1e-6)) for time_s in week_of_pictures())
    assert max(ages) < 0.05


def test_what_was_there_at_first_is_caught_up_with() -> None:
    """Some servers begin with the seconds before."""
    ages = ages_s((time_s, max(time_s - 3.0, 0.0)) for time_s in week_of_pictures())
    assert max(ages) == pytest.approx(3.0)
    assert ages[1800] < 0.1  # an hour later
    assert max(ages[1800:]) < 0.05


@pytest.mark.parametrize("segment_s", [2, 6, 20])
def test_a_playlist_is_still_spread_over_its_time(segment_s: int) -> None:
    times = [number * 0.5 for number in range(2 * 86_400)]
    pace, now_s, delays = Pace(), 0.0, []
    for time_s in times:
        now_s = max(now_s, time_s // segment_s * segment_s)
        delays.append(pace.delay_s(time_s, now_s))
        now_s += delays[-1]
    assert sum(delays) == pytest.approx(len(times) * 0.5 * (1 - 0.5 / segment_s), rel=0.01)
    assert max(delays) < 0.501


@pytest.mark.parametrize(
    ("failures", "shortest", "longest"),
    [(1, 0.5, 0.5), (2, 0.5, 1.0), (3, 0.5, 2.0), (4, 0.5, 2.0), (1_000_000, 0.5, 2.0)],
)
def test_backoff_grows_from_half_a_second_to_two(
    failures: int, shortest: float, longest: float
) -> None:
    assert backoff_s(failures, 0.5, 2.0, 0.0) == shortest
    assert backoff_s(failures, 0.5, 2.0, 1.0) == longest
    assert backoff_s(failures, 0.0, 0.0, 0.5) == 0.0
