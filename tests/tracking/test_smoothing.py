"""Steady probabilities, on real time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamfer.tracking.smoothing import ProbabilitySmoother, SmoothingConfig
from streamfer.types import FloatArray

HAPPY = np.eye(7, dtype=np.float32)[3]
SAD = np.eye(7, dtype=np.float32)[4]


def smoothed(smoother: ProbabilitySmoother, answers: list[tuple[float, FloatArray]]) -> FloatArray:
    result = np.zeros(7, dtype=np.float32)
    for time_s, probs in answers:
        result = smoother.update(1, time_s, probs)
    return result


def test_first_answer_counts_alone() -> None:
    assert smoothed(ProbabilitySmoother(), [(3.0, HAPPY)]) == pytest.approx(HAPPY)


def test_first_answer_is_kept_to_the_last_bit() -> None:
    short_of_one = np.array([2.1e-6, 4e-7, 4.6e-7, 0.9999277, 3.8e-6, 8.9e-6, 5.6e-5], np.float32)
    result = smoothed(ProbabilitySmoother(), [(3.0, short_of_one)])
    np.testing.assert_array_equal(result, short_of_one)
    assert result is not short_of_one


@pytest.mark.parametrize("rate", [10, 24, 60])
def test_step_answer_does_not_depend_on_the_frame_rate(rate: int) -> None:
    smoother = ProbabilitySmoother(SmoothingConfig(time_constant_s=0.3))
    answers = [(0.0, HAPPY)] + [(i / rate, SAD) for i in range(1, rate + 1)]
    result = smoothed(smoother, answers)
    assert result[3] == pytest.approx(math.exp(-1 / 0.3), rel=1e-3)
    assert result[4] == pytest.approx(1 - math.exp(-1 / 0.3), rel=1e-3)


def test_uneven_steps_equal_one_step() -> None:
    config = SmoothingConfig(time_constant_s=0.3)
    one = smoothed(ProbabilitySmoother(config), [(0.0, HAPPY), (0.3, SAD)])
    many = smoothed(
        ProbabilitySmoother(config), [(0.0, HAPPY), (0.01, SAD), (0.18, SAD), (0.3, SAD)]
    )
    assert many == pytest.approx(one, abs=1e-6)


def test_starts_afresh_after_a_gap() -> None:
    smoother = ProbabilitySmoother(SmoothingConfig(max_gap_s=0.5))
    assert smoothed(smoother, [(0.0, HAPPY), (0.6, SAD)]) == pytest.approx(SAD)


def test_starts_afresh_when_time_runs_backward() -> None:
    assert smoothed(ProbabilitySmoother(), [(5.0, HAPPY), (4.9, SAD)]) == pytest.approx(SAD)


def test_no_smoothing() -> None:
    smoother = ProbabilitySmoother(SmoothingConfig(time_constant_s=0.0))
    assert smoothed(smoother, [(0.0, HAPPY), (0.01, SAD)]) == pytest.approx(SAD)


def test_an_answer_that_is_no_number_passes() -> None:
    broken = np.full(7, np.nan, np.float32)
    smoother = ProbabilitySmoother()
    assert np.isnan(smoothed(smoother, [(0.0, HAPPY), (0.04, broken)])).all()
    assert np.argmax(smoothed(smoother, [(0.08, HAPPY)])) == 3


def test_tracks_are_separate() -> None:
    smoother = ProbabilitySmoother()
    smoother.update(1, 0.0, HAPPY)
    assert smoother.update(2, 0.0, SAD) == pytest.approx(SAD)
    assert smoother.update(1, 0.04, HAPPY) == pytest.approx(HAPPY)


def test_sums_to_one_for_ever() -> None:
    rng = np.random.default_rng(0)
    smoother = ProbabilitySmoother()
    for step in range(2000):
        answer = rng.dirichlet(np.full(7, 0.3)).astype(np.float32)
        result = smoother.update(1, step / 24, answer)
        assert result.dtype == np.float32
        assert result.shape == (7,)
        assert (result >= 0).all()
        assert float(result.sum()) == pytest.approx(1, abs=1e-5)


def test_input_is_left_alone() -> None:
    smoother = ProbabilitySmoother()
    first = HAPPY.copy()
    result = smoother.update(1, 0.0, first)
    smoother.update(1, 0.04, SAD)
    assert (first == HAPPY).all()
    assert (result == HAPPY).all()


def test_forgets_old_tracks() -> None:
    smoother = ProbabilitySmoother()
    for track_id in range(1000):
        smoother.update(track_id, track_id * 1.0, HAPPY)
    assert len(smoother) == 1
