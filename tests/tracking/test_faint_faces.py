"""When the tracker reports a face that may be none."""

from __future__ import annotations

import math

import pytest

from streamfer.tracking.tracker import Tracker
from tests.support.tracked_scenes import blank, frames_of, numbers, still, truth


def test_a_faint_face_in_a_calm_picture_waits_for_a_second_look() -> None:
    first, second, third = frames_of(still)[:3]
    tracker = Tracker()
    assert tracker.update(first.image, 0.0, []) == []
    assert tracker.update(second.image, 0.04, truth(second, 0.19)) == []
    assert tracker.patience_s < math.inf
    assert numbers(tracker.update(third.image, 0.08, truth(third, 0.19))) == [1]


def test_a_faint_face_that_is_not_found_again_was_none() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, [])
    assert tracker.update(frames[1].image, 0.04, truth(frames[1], 0.19)) == []
    assert tracker.update(frames[2].image, 0.08, None) == []
    assert tracker.update(frames[3].image, 0.12, []) == []
    assert tracker.patience_s == math.inf
    assert tracker.update(frames[4].image, 0.16, truth(frames[4], 0.19)) == []


@pytest.mark.parametrize("score", [0.2, 0.9])
def test_a_plain_face_in_a_calm_picture_waits_for_nothing(score: float) -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, [])
    assert numbers(tracker.update(frames[1].image, 0.04, truth(frames[1], score))) == [1]


def test_a_faint_face_waits_for_nothing_where_the_picture_changes_or_every_face_counts() -> None:
    frames = frames_of(still)
    faint = truth(frames[1], 0.19)
    another = Tracker()
    another.update(blank(frames[0].image), 0.0, [])
    assert numbers(another.update(frames[1].image, 0.04, faint)) == [1]
    later = Tracker()
    later.update(frames[0].image, 0.0, [])
    assert numbers(later.update(frames[1].image, 0.6, faint)) == [1]
    at_once = Tracker(at_once=True)
    at_once.update(frames[0].image, 0.0, [])
    assert numbers(at_once.update(frames[1].image, 0.04, faint)) == [1]
