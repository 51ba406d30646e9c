"""What is said of edits at growing strength, on answers made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.evaluation.edit_curves import (
    nearest_is_own,
    order_of_faces,
    order_of_mean,
    steps_that_rise,
    strength_for,
    success,
    success_interval,
)
from streamfer.types import FloatArray

STRENGTHS = np.array([-1, 0, 1, 2, 3], np.float32)
HAPPY, NEUTRAL = 3, 6


def answers(changes_at: list[float]) -> FloatArray:
    """Neutral faces, each happy from a strength of its own on; happier at every step."""
    probs = np.zeros((len(changes_at), len(STRENGTHS), 7), np.float32)
    for row, limit in enumerate(changes_at):
        happy = np.where(limit <= STRENGTHS, 0.7, 0.2) + 0.01 * STRENGTHS
        probs[row, :, HAPPY], probs[row, :, NEUTRAL] = happy, 1 - happy
    return probs


def test_success_counts_the_faces_that_did_not_show_it_before() -> None:
    probs = answers([-1, 1, 2, 2, 9])  # the first is happy from the start
    curve = success(probs, STRENGTHS, HAPPY)
    assert curve.tolist() == [0, 0, 0.25, 0.75, 0.75]
    low, high = success_interval(probs, STRENGTHS, HAPPY, at=3)
    assert 0 <= low < 0.75 < high <= 1
    assert np.isnan(success(answers([-1]), STRENGTHS, HAPPY)).all()
    assert np.isnan(success_interval(answers([-1]), STRENGTHS, HAPPY, at=3)).all()


def test_the_strength_for_a_share_lies_between_the_measured_ones() -> None:
    curve = success(answers([1, 2, 2, 9]), STRENGTHS, HAPPY)
    assert strength_for(0.5, curve, STRENGTHS) == pytest.approx(1.5)
    assert strength_for(0.25, curve, STRENGTHS) == pytest.approx(1.0)
    assert strength_for(0.8, curve, STRENGTHS) is None


def test_order_is_that_of_ranks() -> None:
    probs = answers([1, 2, 3])
    assert order_of_faces(probs, STRENGTHS, HAPPY) == pytest.approx(1.0)
    assert order_of_mean(probs, STRENGTHS, HAPPY) == pytest.approx(1.0)
    assert order_of_faces(probs, STRENGTHS, NEUTRAL) == pytest.approx(-1.0)
    assert order_of_faces(np.zeros_like(probs), STRENGTHS, HAPPY) == 0
    assert steps_that_rise(probs, HAPPY) == 1
    assert steps_that_rise(probs, NEUTRAL) == 0


def test_a_face_is_its_own_where_no_stranger_is_nearer() -> None:
    own = np.array([[0, 0], [10, 0]], np.float32)
    edited = own + np.float32(1)
    strangers = np.array([[11, 1], [50, 50]], np.float32)
    share, medians = nearest_is_own(edited, own, strangers)
    assert share == 0.5
    assert medians["own"] == pytest.approx(2**0.5)
