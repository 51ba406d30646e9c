"""How well identities hold: painted scenes with known truth, against a stored baseline."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from streamfer.tracking.schedule import DetectionSchedule
from streamfer.tracking.tracker import Tracker
from tests.support.scenes import PaintedDetector, Person, Pose, Scene, play
from tests.support.tracking_counts import TrackingCounts

Path = Callable[[float], Pose | None]


def track(scene: Scene, detector: PaintedDetector) -> TrackingCounts:
    """Plays a scene through schedule and tracker as the analyzer does."""
    tracker, schedule, counts = Tracker(), DetectionSchedule("auto"), TrackingCounts()
    for frame in play(scene):
        due = schedule.due(frame.index, frame.time_s, patience_s=tracker.patience_s)
        if not due:
            faces = tracker.update(frame.image, frame.time_s, None)
        if due or tracker.patience_s == 0:
            schedule.detected(frame.index, frame.time_s)
            faces = tracker.update(frame.image, frame.time_s, detector.detect(frame))
        seen = {p: d for p, d in frame.truth.items() if frame.visible[p] >= 0.6}
        half_seen = [d for p, d in frame.truth.items() if frame.visible[p] < 0.6]
        counts.add(faces, seen, half_seen)
    return counts


def stands(x: float, y: float = 135.0) -> Path:
    return lambda t: Pose(x + 4 * math.sin(t), y + 3 * math.cos(1.3 * t))


def walks(x: float, speed: float, y: float = 135.0) -> Path:
    return lambda t: Pose(x + speed * t, y)


def turns(t: float) -> Pose:
    return Pose(240, 135, turn=0.75 + 0.25 * math.cos(2 * t), angle=0.15 * math.sin(t))


def away(path: Path, start_s: float, end_s: float) -> Path:
    return lambda t: None if start_s <= t < end_s else path(t)


def uneven_times(duration_s: float) -> list[float]:
    steps = np.random.default_rng(3).uniform(0.01, 0.09, size=round(duration_s * 30))
    times_s = np.concatenate([[0.0], np.cumsum(steps)])
    return times_s[times_s < duration_s].tolist()


@dataclass(frozen=True, slots=True)
class Case:
    """A scene and the worst counts that it may have."""

    scene: Scene
    detector: PaintedDetector = field(default_factory=PaintedDetector)
    numbers: tuple[int, ...] = (1,)
    """How many numbers each person has."""
    misses: int = 0
    """Frames without a person who is there: before the first detection, or missed by it."""
    false_positives: int = 0


CASES = {
    "stands still": Case(Scene([Person(0, stands(200))], 3)),
    "turns the head": Case(Scene([Person(0, turns)], 6)),
    "walks quickly": Case(Scene([Person(2, walks(40, 200))], 2)),
    "two cross": Case(
        Scene([Person(0, walks(60, 90)), Person(1, walks(420, -90))], 4), numbers=(1, 1), misses=1
    ),
    "two cross quickly": Case(
        Scene([Person(2, walks(60, 180)), Person(3, walks(420, -180))], 2), numbers=(1, 1)
    ),
    "three, two of them alike": Case(
        Scene([Person(0, walks(60, 90)), Person(0, stands(240)), Person(1, stands(400))], 3),
        numbers=(1, 1, 1),
        misses=2,
    ),
    "passes behind a pillar": Case(
        Scene([Person(0, walks(60, 110))], 3.3, pillar=(210, 270)), misses=3
    ),
    "leaves and is back within 2 s": Case(
        Scene([Person(1, away(stands(200), 1.0, 2.7)), Person(2, stands(380))], 4),
        numbers=(1, 1),
    ),
    "leaves and is back elsewhere within 2 s": Case(
        Scene([Person(1, lambda t: stands(100)(t) if t < 1 else away(stands(330), 0, 2)(t))], 3),
        misses=2,
    ),
    "leaves and is back after 3 s": Case(
        Scene([Person(1, away(stands(200), 1.0, 4.0))], 5), numbers=(2,), misses=4
    ),
    "another one takes the place": Case(
        Scene([Person(0, away(stands(200), 1.0, 9.0)), Person(1, away(stands(200), 0.0, 1.5))], 3),
        numbers=(1, 1),
        misses=4,
    ),
    "the camera shakes": Case(
        Scene([Person(0, stands(150)), Person(1, stands(330))], 3, shake_px=6), numbers=(1, 1)
    ),
    "one detection in ten is missing": Case(
        Scene([Person(0, stands(150)), Person(1, walks(250, 40))], 5),
        PaintedDetector(miss=0.1),
        numbers=(1, 1),
        misses=14,
    ),
    "false positives": Case(
        Scene([Person(0, stands(150)), Person(1, stands(330))], 5),
        PaintedDetector(invent=0.1),
        numbers=(1, 1),
        false_positives=12,
    ),
    "frames of uneven length": Case(
        Scene([Person(3, walks(60, 100))], 3.5, times_s=uneven_times(3.5)),
    ),
}
"""The baseline: counts that this tracker reached, and may not exceed."""


@pytest.mark.parametrize("name", CASES)
def test_identities_hold(name: str) -> None:
    case = CASES[name]
    counts = track(case.scene, case.detector)
    lengths = [len(counts.numbers.get(person, ())) for person in range(len(case.scene.people))]
    assert lengths == list(case.numbers)
    assert len({n for numbers in counts.numbers.values() for n in numbers}) == sum(case.numbers)
    assert counts.misses <= case.misses
    assert counts.false_positives <= case.false_positives
