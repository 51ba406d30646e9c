"""The detector runs often enough, on media time alone."""

from __future__ import annotations

import pytest

from streamfer.tracking.schedule import DetectionSchedule


def detections(schedule: DetectionSchedule, times_s: list[float]) -> list[int]:
    found = []
    for index, time_s in enumerate(times_s):
        if schedule.due(index, time_s):
            schedule.detected(index, time_s)
            found.append(index)
    return found


@pytest.mark.parametrize(
    ("rate", "spacing"),
    [(1, 1), (5, 1), (10, 2), (15, 3), (24000 / 1001, 4), (24, 4), (25, 5), (30, 6), (60, 12)],
)
def test_calm_constant_rate(rate: float, spacing: int) -> None:
    times_s = [i / rate for i in range(100)]
    assert detections(DetectionSchedule("auto"), times_s) == list(range(0, 100, spacing))
