"""Motion of a face between two frames."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from streamfer.geometry import apply_affine
from streamfer.tracking.flow import face_motion, place_window, see_again
from streamfer.types import FloatArray, UInt8Array
from tests.support.faces import read_rgb

BOX = np.array([90, 60, 210, 220], dtype=np.float32)
POINTS = np.array([[120, 110], [180, 110], [150, 140], [130, 180], [170, 180]], dtype=np.float32)


def picture(wh: tuple[int, int] = (320, 270), seed: int = 0) -> UInt8Array:
    noise = np.random.default_rng(seed).integers(0, 256, (wh[1] // 8, wh[0] // 8, 3), np.uint8)
    return cv2.resize(noise, wh, interpolation=cv2.INTER_CUBIC)


def about_the_face(scale: float = 1, angle: float = 0, x: float = 0, y: float = 0) -> FloatArray:
    centre = (BOX[:2] + BOX[2:]) / 2
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.c_[linear, centre - linear @ centre + [x, y]].astype(np.float32)


def motion_between(before: UInt8Array, after: UInt8Array) -> FloatArray | None:
    window = place_window(before, BOX)
    assert window is not None
    seen = see_again(window, after)
    return None if seen is None else face_motion(window, seen, BOX)


@pytest.mark.parametrize(
    "motion",
    [
        about_the_face(),
        about_the_face(x=0.4, y=-0.3),
        about_the_face(x=25, y=10),
        about_the_face(x=-35),
        about_the_face(angle=0.1),
        about_the_face(scale=1.1),
        about_the_face(scale=0.92, angle=-0.06, x=8, y=-9),
    ],
)
def test_motion_is_found(motion: FloatArray) -> None:
    before = picture()
    after = cv2.warpAffine(before, motion, (320, 270), borderMode=cv2.BORDER_REFLECT)
    found = motion_between(before, after)
    assert found is not None
    np.testing.assert_allclose(apply_affine(found, POINTS), apply_affine(motion, POINTS), atol=1.0)


def test_a_hand_before_the_face_does_not_pull_it_along() -> None:
    before = picture()
    after = cv2.warpAffine(before, about_the_face(x=4), (320, 270))
    after[170:270, 60:160] = picture((100, 100), seed=5)
    found = motion_between(before, after)
    assert found is not None
    np.testing.assert_allclose(apply_affine(found, POINTS), POINTS + np.float32([4, 0]), atol=1.5)


@pytest.mark.parametrize("after", [picture(seed=1), np.zeros((270, 320, 3), dtype=np.uint8)])
def test_another_picture_is_no_motion(after: UInt8Array) -> None:
    assert motion_between(picture(), after) is None


def test_nothing_to_hold_on_to_is_no_motion() -> None:
    flat = np.full((270, 320, 3), 90, dtype=np.uint8)
    assert motion_between(flat, flat) is None


def test_another_picture_size_cannot_be_compared() -> None:
    window = place_window(picture(), BOX)
    assert window is not None
    assert see_again(window, picture((640, 540))) is None


@pytest.mark.parametrize(
    "box", [[-500, 60, -400, 160], [400, 60, 500, 160], [100, 100, 100, 100], [318, 0, 320, 2]]
)
def test_a_face_outside_the_picture_has_no_window(box: list[float]) -> None:
    assert place_window(picture(), np.array(box, dtype=np.float32)) is None


@pytest.mark.parametrize("enlarge", [0.2, 1, 3, 12])
def test_windows_of_any_face_are_small(enlarge: float) -> None:
    image = cv2.resize(picture(), None, fx=enlarge, fy=enlarge)
    window = place_window(image, BOX * np.float32(enlarge))
    assert window is not None
    assert max(window.gray.shape) < 130
    corners = BOX.reshape(2, 2).astype(np.float64)
    np.testing.assert_allclose(window.to_frame(window.to_patch(corners)), corners, atol=1e-6)


def test_window_follows_only_near_faces() -> None:
    window = place_window(picture(), BOX)
    assert window is not None
    assert window.still_fits(BOX + np.float32(5))
    assert not window.still_fits(BOX + np.float32(60))
    assert not window.still_fits(BOX * np.float32(2))


@pytest.mark.parametrize("angle", [0.05, -0.1])
def test_turns_of_a_real_face(angle: float) -> None:
    """Most of the turn is seen, with the background standing still."""
    image = read_rgb("media/single_face.jpg")
    image = cv2.resize(image, None, fx=480 / image.shape[1], fy=480 / image.shape[1])
    height, width = image.shape[:2]
    centre = (width / 2, height / 2)
    box = np.array([centre[0] - 60, centre[1] - 70, centre[0] + 60, centre[1] + 70], np.float32)
    motion = cv2.getRotationMatrix2D(centre, -math.degrees(angle), 1)
    after = cv2.warpAffine(image, motion, (width, height), borderMode=cv2.BORDER_REPLICATE)
    window = place_window(image, box)
    assert window is not None
    seen = see_again(window, after)
    assert seen is not None
    found = face_motion(window, seen, box)
    assert found is not None
    assert 0.8 < math.atan2(found[1, 0], found[0, 0]) / angle < 1.1
