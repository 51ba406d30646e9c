"""The detector runs often enough, on media time alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest

from streamfer.tracking.schedule import MAX_WAIT_S, DetectionSchedule


def detections(
    schedule: DetectionSchedule,
    times_s: Sequence[float],
    dropped: int = 0,
    stretch: float = 1.0,
    patience_s: float = math.inf,
) -> list[int]:
    found = []
    for index, time_s in enumerate(times_s):
        due = schedule.due(index, time_s, dropped=dropped, stretch=stretch, patience_s=patience_s)
        if due:
            schedule.detected(index, time_s)
            found.append(index)
    return found


@pytest.mark.parametrize(
    ("rate", "spacing"),
    [(1, 1), (5, 2), (10, 3), (15, 4), (24000 / 1001, 5), (24, 5), (25, 6), (30, 7), (60, 13)],
)
def test_calm_constant_rate(rate: float, spacing: int) -> None:
    times_s = [i / rate for i in range(100)]
    assert detections(DetectionSchedule("auto"), times_s) == list(range(0, 100, spacing))


@pytest.mark.parametrize("dropped", [0, 2])
def test_to_save_time_new_faces_wait_longer(dropped: int) -> None:
    times_s = [i / 25 for i in range(200)]
    found = detections(DetectionSchedule("auto"), times_s, dropped, stretch=10.0)
    gaps_s = [times_s[b] - times_s[a] for a, b in pairwise(found)]
    assert gaps_s == pytest.approx([2.0] * len(gaps_s), abs=0.05)


def test_what_is_followed_waits_no_longer() -> None:
    times_s = [i / 25 for i in range(100)]
    found = detections(DetectionSchedule("auto"), times_s, stretch=10.0, patience_s=0.4)
    assert max(b - a for a, b in pairwise(found)) / 25 <= 0.4


def uneven(rng: np.random.Generator) -> list[float]:
    return rng.uniform(0.005, 0.12, size=400).tolist()


def with_gaps(rng: np.random.Generator) -> list[float]:
    return np.where(rng.random(400) < 0.03, rng.uniform(0.2, 5, 400), 0.04).tolist()


def changing_rate(rng: np.random.Generator) -> list[float]:
    return np.repeat(rng.choice([1 / 60, 1 / 30, 1 / 15, 1 / 8], size=20), 20).tolist()


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("intervals", [uneven, with_gaps, changing_rate])
def test_no_new_face_waits_longer_than_the_limit(
    intervals: Callable[[np.random.Generator], list[float]], seed: int
) -> None:
    steps = intervals(np.random.default_rng(seed))
    times_s = np.concatenate([[0.0], np.cumsum(steps)]).tolist()
    found = detections(DetectionSchedule("auto"), times_s)
    for last, following in pairwise(found):
        # A face that comes right after one detection, in the next frame at the earliest, waits for
        # the next detection. That is late only if the last step was longer than the sixteen before
        # it, which nobody could have known.
        late = times_s[following] - times_s[last + 1] > MAX_WAIT_S + 1e-6
        before = steps[max(following - 17, 0) : following - 1]
        assert not late or following == last + 1 or steps[following - 1] > max(before)
    for index in set(range(len(times_s))) - set(found):
        # No frame is passed over when the next one may, by what was seen, come too late.
        last = max(i for i in found if i < index)
        longest_seen = max(steps[max(index - 16, 0) : index])
        assert times_s[index] + longest_seen - times_s[last + 1] <= MAX_WAIT_S + 1e-6


def test_seldom_enough() -> None:
    """The limit is used: a detection earlier than needed costs the frame rate."""
    times_s = np.concatenate([[0.0], np.cumsum(uneven(np.random.default_rng(1)))]).tolist()
    found = detections(DetectionSchedule("auto"), times_s)
    for last, following in pairwise(found):
        assert times_s[following] - times_s[last + 1] + 0.12 > MAX_WAIT_S


@pytest.mark.parametrize(
    ("rate", "spacing"), [(0.5, 1), (1, 1), (2, 2), (4, 3), (5, 3), (10, 3), (15, 4), (24, 6)]
)
def test_streams_that_lose_frames_keep_time_for_more_than_detections(
    rate: float, spacing: int
) -> None:
    times_s = [i / rate for i in range(60)]
    found = detections(DetectionSchedule("auto"), times_s, dropped=1)
    assert found == list(range(0, 60, spacing))


def test_late_frames_call_for_no_detections_where_frames_are_dropped() -> None:
    """Otherwise one stall would make every frame cost a detection, and the next ones late again."""
    times_s = [0.0, 0.3, *(0.3 + 0.05 * i for i in range(1, 16))]
    assert detections(DetectionSchedule("auto"), times_s) == list(range(17))
    assert detections(DetectionSchedule("auto"), times_s, dropped=1) == [0, 5, 10, 15]


def test_frames_dropped_long_ago_do_not_matter() -> None:
    schedule = DetectionSchedule("auto")
    asked = []
    for index in range(40):
        if schedule.due(index, index / 5, dropped=int(index == 3)):
            schedule.detected(index, index / 5)
            asked.append(index)
    spacings = [b - a for a, b in pairwise(asked)]
    assert spacings[:2] == [2, 3]
    assert set(spacings[-8:]) == {2}


@pytest.mark.parametrize(("patience_s", "spacing"), [(math.inf, 3), (0.1, 3), (0.0, 1)])
def test_where_frames_are_dropped_only_a_lost_face_is_looked_for_at_once(
    patience_s: float, spacing: int
) -> None:
    schedule = DetectionSchedule("auto")
    asked = []
    for index in range(12):
        if schedule.due(index, index / 8, dropped=4, patience_s=patience_s):
            schedule.detected(index, index / 8)
            asked.append(index)
    assert asked == list(range(0, 12, spacing))


@pytest.mark.parametrize(
    ("patience_s", "found"),
    [
        (math.inf, [0, 6, 12]),
        (0.2, [0, 5, 10, 15]),
        (0.1, [0, 2, 4, 6, 8, 10, 12, 14, 16]),
        (0.0, list(range(17))),
    ],
)
def test_impatient_tracker(patience_s: float, found: list[int]) -> None:
    schedule = DetectionSchedule("auto")
    asked = []
    for index in range(17):
        if schedule.due(index, index / 25, patience_s=patience_s):
            schedule.detected(index, index / 25)
            asked.append(index)
    assert asked == found


def test_every_nth_frame_counts_decoded_frames() -> None:
    schedule = DetectionSchedule(3)
    found = []
    for index in [0, 1, 2, 3, 4, 8, 9, 10, 11]:  # 5, 6 and 7 were dropped
        if schedule.due(index, index / 25, patience_s=0.0):
            schedule.detected(index, index / 25)
            found.append(index)
    assert found == [0, 3, 8, 11]


@pytest.mark.parametrize("every", ["auto", 100])
def test_new_picture_size(every: int | Literal["auto"]) -> None:
    schedule = DetectionSchedule(every)
    asked = []
    for index in range(4):
        segment = int(index >= 2)
        if schedule.due(index, index / 100, segment=segment):
            schedule.detected(index, index / 100)
            asked.append(index)
    assert asked == [0, 2]


def test_a_failed_detection_is_asked_for_again() -> None:
    schedule = DetectionSchedule("auto")
    assert schedule.due(0, 0.0)
    assert schedule.due(1, 0.04)


def test_time_that_runs_backward() -> None:
    schedule = DetectionSchedule("auto")
    assert detections(schedule, [5.0, 5.04]) == [0]
    assert schedule.due(2, 1.0)


@pytest.mark.parametrize("every", [0, -1])
def test_impossible_interval(every: int) -> None:
    with pytest.raises(ValueError, match="at least 1 frame"):
        DetectionSchedule(every)
