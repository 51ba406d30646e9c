"""FFHQ's alignment: the corners are those that the published script computed."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.engine import TensorSpec
from streamfer.geometry import FACE_TEMPLATE, apply_affine
from streamfer.types import Detection
from streamfer.vision.portrait import (
    PORTRAIT_SIZE,
    align_for,
    align_portrait,
    portrait_square,
    template_in_portrait,
)

TURNED = [[120, 80], [171, 95], [140, 120], [118, 145], [157, 156]]


def detection(points: object = TURNED) -> Detection:
    landmarks = np.array(points, np.float32)
    low, high = landmarks.min(axis=0) - 20, landmarks.max(axis=0) + 20
    return Detection(np.concatenate([low, high]), 0.9, landmarks)


@pytest.mark.parametrize(
    ("landmarks", "top_left", "top_right", "bottom_left"),
    [
        (
            [[33, 40], [67, 40], [50, 59], [36.5, 74.5], [63.5, 74.5]],
            (-18.0, -24.55),
            (118.0, -24.55),
            (-18.0, 111.45),
        ),
        (TURNED, (55.2543, -40.86), (279.36, 4.3543), (10.04, 183.2457)),
        (
            [[300, 210], [330, 190], [330, 215], [322, 262], [345, 247]],
            (179.6232, 154.1294),
            (368.1706, 68.2232),
            (265.5294, 342.6768),
        ),
    ],
)
def test_the_square_is_ffhqs(
    landmarks: object, top_left: object, top_right: object, bottom_left: object
) -> None:
    found = portrait_square(np.array(landmarks, np.float32))
    np.testing.assert_allclose(found, [top_left, top_right, bottom_left], atol=1e-3)


def test_the_crop_is_that_square_in_colour() -> None:
    image = np.zeros((300, 320, 3), np.uint8)
    image[..., 0] = np.arange(320) * 0.7
    image[..., 1] = (np.arange(300) * 0.7)[:, None]
    face = align_portrait(image, detection())
    assert face.image.shape == (PORTRAIT_SIZE, PORTRAIT_SIZE, 3)
    corners = np.array([[0, 0], [1, 0], [0, 1]]) * PORTRAIT_SIZE - 0.5
    mapped = apply_affine(face.frame_to_crop, portrait_square(detection().landmarks))
    np.testing.assert_allclose(mapped, corners, atol=1e-3)
    eye = apply_affine(face.frame_to_crop, [[171, 95]])[0].round().astype(int)
    np.testing.assert_allclose(face.image[eye[1], eye[0], :2], [171 * 0.7, 95 * 0.7], atol=2)


def test_without_landmarks_the_box_decides() -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    box = np.array([60, 56, 140, 146], np.float32)
    lost = Detection(box, 0.9, np.full((5, 2), np.nan, np.float32))
    # The box implies the template's square, and that a face in it.
    known = Detection(box, 0.9, FACE_TEMPLATE * 100 + np.array([50, 50], np.float32))
    np.testing.assert_allclose(
        align_portrait(image, lost).frame_to_crop,
        align_portrait(image, known).frame_to_crop,
        atol=1e-3,
    )


def test_our_own_crop_lies_within_the_portrait() -> None:
    left, top, side = template_in_portrait()
    assert 0 < left == pytest.approx((1 - side) / 2)
    assert 0 < top < top + side < 1
    assert side == pytest.approx(1 / 1.36)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((None, 64, 64), (64, 64)),
        ((None, 256, 256, 3), (256, 256, 3)),
        ((8, 64, 64, 3), (64, 64, 3)),
    ],
)
def test_a_network_gets_the_crop_that_it_takes(
    shape: tuple[int | None, ...], expected: tuple[int, ...]
) -> None:
    spec = TensorSpec("faces", np.dtype(np.uint8), shape)
    image = np.zeros((200, 200, 3), np.uint8)
    assert align_for(spec, image, detection()).image.shape == expected
