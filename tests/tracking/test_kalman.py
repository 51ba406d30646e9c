"""Prediction of boxes on real time."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.tracking.kalman import BoxFilter
from streamfer.types import FloatArray


def box_at(x: float, y: float = 50.0, width: float = 40.0, height: float = 50.0) -> FloatArray:
    return np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2], np.float32)


def followed(speed: float, steps_s: list[float]) -> tuple[BoxFilter, float]:
    """A filter that saw a box move at `speed` px/s, and where the box is."""
    box_filter, x = BoxFilter(box_at(100), 0.02), 100.0
    for step_s in steps_s:
        x += speed * step_s
        box_filter.predict(step_s)
        box_filter.correct(box_at(x), 0.02)
    return box_filter, x


def test_first_box_is_the_estimate() -> None:
    box_filter = BoxFilter(box_at(100), 0.02)
    np.testing.assert_allclose(box_filter.box_xyxy, box_at(100))
    assert box_filter.speed == 0


@pytest.mark.parametrize("steps_s", [[0.04] * 25, [0.01, 0.09] * 10, [0.2] * 5])
def test_motion_goes_on_whatever_the_frame_rate(steps_s: list[float]) -> None:
    box_filter, x = followed(90, steps_s)
    box_filter.predict(0.04)
    assert box_filter.box_xyxy[[0, 2]].mean() == pytest.approx(x + 90 * 0.04, abs=1.0)
    assert box_filter.speed == pytest.approx(2.0, rel=0.2)  # 90 px/s, face size 44.7 px


def test_two_short_predictions_equal_a_long_one() -> None:
    (one, _), (two, _) = followed(90, [0.04] * 20), followed(90, [0.04] * 20)
    one.predict(0.3)
    two.predict(0.1)
    two.predict(0.2)
    np.testing.assert_allclose(one.box_xyxy, two.box_xyxy, atol=1e-3)


def test_a_lost_face_stays_near() -> None:
    """Unobserved motion fades: nobody flies on for two seconds."""
    box_filter, x = followed(90, [0.04] * 25)
    box_filter.predict(2.0)
    centre = box_filter.box_xyxy[[0, 2]].mean()
    assert x + 10 < centre < x + 45
    assert box_filter.speed < 0.1


def test_jitter_is_smoothed() -> None:
    rng = np.random.default_rng(0)
    box_filter = BoxFilter(box_at(100), 0.03)
    noise = rng.normal(scale=1.3, size=200)
    errors = []
    for step in noise.tolist():
        box_filter.predict(0.04)
        box_filter.correct(box_at(100 + step), 0.03)
        errors.append(box_filter.box_xyxy[[0, 2]].mean() - 100)
    assert np.std(errors[20:]) < 0.8 * 1.3


@pytest.mark.parametrize("width", [0.0, 1.0, 4000.0])
def test_extreme_sizes_stay_finite(width: float) -> None:
    box_filter = BoxFilter(box_at(100, width=width, height=width), 0.03)
    for _ in range(50):
        box_filter.predict(0.5)
        box_filter.correct(box_at(100, width=width, height=width), 0.03)
    assert np.isfinite(box_filter.box_xyxy).all()
    assert np.isfinite(box_filter.speed)


def test_picture_size_changes() -> None:
    box_filter, x = followed(90, [0.04] * 25)
    speed = box_filter.speed
    box_filter.stretch(2, 2)
    assert box_filter.box_xyxy[[0, 2]].mean() == pytest.approx(2 * x, abs=2)
    assert box_filter.speed == pytest.approx(speed)
    box_filter.predict(0.04)
    assert box_filter.box_xyxy[[0, 2]].mean() == pytest.approx(2 * (x + 3.6), abs=2)
