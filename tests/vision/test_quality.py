from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamfer.types import Detection, UInt8Array
from streamfer.vision.quality import face_quality, frontal_score, sharpness_score, size_score


def landmarks(nose_x: float, angle_deg: float = 0.0) -> np.ndarray:
    points = np.array([[-20, 0], [20, 0], [nose_x, 20], [-12, 40], [12, 40]], np.float32)
    angle = np.deg2rad(angle_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T + 100).astype(np.float32)


def detection(height: float, nose_x: float = 0.0) -> Detection:
    box = np.array([0, 0, height * 0.8, height], np.float32)
    return Detection(box, 0.9, landmarks(nose_x))


def texture() -> UInt8Array:
    return np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)


@pytest.mark.parametrize("angle", [0.0, 30.0, -60.0])
@pytest.mark.parametrize(("nose_x", "expected"), [(0, 1.0), (10, 0.5), (-10, 0.5), (30, 0.0)])
def test_pose_is_read_from_the_nose_whatever_the_tilt(
    nose_x: float, expected: float, angle: float
) -> None:
    assert frontal_score(landmarks(nose_x, angle)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("points", [np.full((5, 2), np.nan), np.zeros((5, 2))])
def test_useless_landmarks_are_no_frontal_face(points: np.ndarray) -> None:
    assert frontal_score(points.astype(np.float32)) == 0.0


@pytest.mark.parametrize(("height", "expected"), [(0, 0.0), (48, 0.5), (96, 1.0), (500, 1.0)])
def test_size(height: float, expected: float) -> None:
    assert size_score(detection(height)) == pytest.approx(expected)


def test_blur_lowers_sharpness() -> None:
    sharp = texture()
    scores = [sharpness_score(cv2.GaussianBlur(sharp, (0, 0), s)) for s in (0.5, 1.0, 2.0, 4.0)]
    assert scores == sorted(scores, reverse=True)
    assert sharpness_score(np.full((64, 64), 90, np.uint8)) == 0.0


def test_portraits_are_looked_at_in_the_size_of_our_own_crops() -> None:
    gray = cv2.GaussianBlur(texture(), (0, 0), 1.0)
    large = np.repeat(gray.repeat(4, axis=0).repeat(4, axis=1)[..., None], 3, axis=2)
    assert sharpness_score(large) == pytest.approx(sharpness_score(gray), abs=0.01)


def test_quality_needs_all_three() -> None:
    flat = np.full((64, 64), 90, np.uint8)
    good = face_quality(detection(120), texture())
    assert 0.8 < good <= 1.0
    assert face_quality(detection(48), texture()) < good
    assert face_quality(detection(120, nose_x=15), texture()) < good
    assert face_quality(detection(120), flat) == 0.0
