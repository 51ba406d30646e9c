"""The one alignment of training and serving."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from streamfer.geometry import FACE_TEMPLATE, apply_affine, invert_affine, similarity_transform
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import (
    FACE_SIZE,
    align_face,
    crop_matrix,
    landmarks_reliable,
    oversampled,
    oversampling,
    warp_face,
)
from tests.support.faces import dlib_pictures


def template_face(side: float = 100.0, left: float = 50.0, top: float = 30.0) -> Detection:
    """A detection of a face that is exactly the template, on a square of the frame."""
    box = np.array([0.10, 0.06, 0.90, 0.96]) * side + [left, top, left, top]
    landmarks = FACE_TEMPLATE * side + np.array([left, top], dtype=np.float32)
    return Detection(box.astype(np.float32), 0.9, landmarks)


def with_landmarks(points: FloatArray) -> Detection:
    face = template_face()
    return Detection(face.box_xyxy, face.score, points.astype(np.float32))


def turned(points: FloatArray, degrees: float) -> FloatArray:
    middle = points.mean(axis=0)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle


FRONTAL = template_face().landmarks
SWAPPED_EYES = FRONTAL[[1, 0, 2, 3, 4]]
MIRRORED = FRONTAL[[1, 0, 2, 4, 3]]
OUTSIDE = FRONTAL + np.array([60, 0], dtype=np.float32)
EYES_BELOW = FRONTAL[[3, 4, 2, 0, 1]]
PROFILE = FRONTAL * np.array([0.1, 1], dtype=np.float32) + np.array([90, 0], dtype=np.float32)
NOT_A_NUMBER = np.where(np.arange(10).reshape(5, 2) == 4, np.nan, FRONTAL)


@pytest.mark.parametrize(
    ("points", "reliable"),
    [
        (FRONTAL, True),
        (turned(FRONTAL, 30), True),
        (turned(FRONTAL, -60), True),
        (SWAPPED_EYES, False),
        (MIRRORED, False),
        (EYES_BELOW, False),
        (OUTSIDE, False),
        (PROFILE, False),
        (NOT_A_NUMBER, False),
        (np.full((5, 2), 100.0), False),
    ],
)
def test_landmarks_reliable(points: FloatArray, reliable: bool) -> None:
    assert landmarks_reliable(with_landmarks(points)) is reliable


@pytest.mark.parametrize("box", [[10, 10, 10, 50], [10, 10, 60, 10], [60, 60, 10, 10]])
def test_landmarks_of_an_empty_box_are_not_reliable(box: list[float]) -> None:
    face = Detection(np.array(box, dtype=np.float32), 0.9, FRONTAL)
    assert not landmarks_reliable(face)
    assert np.isfinite(crop_matrix(face)).all()


@pytest.mark.parametrize("size", [48, 64, 112])
@pytest.mark.parametrize("degrees", [0, 25, -40])
def test_landmarks_land_on_the_template(size: int, degrees: float) -> None:
    points = turned(FRONTAL, degrees).astype(np.float32)
    matrix = crop_matrix(with_landmarks(points), size)
    np.testing.assert_allclose(
        apply_affine(matrix, points), FACE_TEMPLATE * size - 0.5, atol=0.01 * size
    )


@pytest.mark.parametrize("side", [16, 100, 700])
def test_box_and_landmarks_imply_the_same_crop(side: float) -> None:
    """Falling back to the box must not move the picture of a frontal face."""
    face = template_face(side)
    without = Detection(face.box_xyxy, face.score, np.full((5, 2), np.nan, dtype=np.float32))
    corners = face.box_xyxy.reshape(2, 2)
    np.testing.assert_allclose(
        apply_affine(crop_matrix(without), corners),
        apply_affine(crop_matrix(face), corners),
        atol=0.05,
    )


def test_crop_keeps_the_square_in_place() -> None:
    """Warping a square of the frame's own size returns its pixels, not shifted by a half."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (FACE_SIZE, FACE_SIZE), dtype=np.uint8)
    identity = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    np.testing.assert_array_equal(warp_face(image, identity), image)


def ramp(side: int) -> UInt8Array:
    """Brightness that grows from left to right by 200 over the width; 20 at the left edge."""
    row = 20 + 200 * (np.arange(side) + 0.5) / side
    return np.tile(np.round(row).astype(np.uint8), (side, 1))


@pytest.mark.parametrize("side", [40, 64, 127, 128, 129, 200, 256, 500, 1100, 2048])
def test_scale_does_not_shift_the_picture(side: int) -> None:
    """Whatever the size of the face, its left edge stays left: a ramp stays the same ramp."""
    scale = FACE_SIZE / side
    shift = scale / 2 - 0.5  # the frame's pixel edges onto the crop's
    matrix = np.array([[scale, 0, shift], [0, scale, shift]], dtype=np.float32)
    crop = warp_face(ramp(side), matrix).astype(np.float64)
    np.testing.assert_allclose(crop[:, 2:-2], ramp(FACE_SIZE)[:, 2:-2], atol=1.6)


@pytest.mark.parametrize(
    ("scale", "factor"), [(0, 1), (3, 1), (0.51, 1), (0.5, 2), (0.26, 2), (0.1, 8), (0.001, 16)]
)
def test_samples_grow_with_the_face(scale: float, factor: int) -> None:
    assert oversampling(np.array([[0, -scale, 5], [scale, 0, 7]], dtype=np.float32)) == factor


def test_an_oversampled_crop_covers_the_same_square() -> None:
    """The crop's edges, half a pixel outside its first and last pixel's centres, stay in place."""
    matrix = np.array([[0.1, 0.2, 3], [-0.2, 0.1, 40]], dtype=np.float32)
    for edge in (-0.5, FACE_SIZE - 0.5):
        corner = apply_affine(invert_affine(matrix), [[edge, edge]])
        enlarged = apply_affine(oversampled(matrix, 4), corner)
        np.testing.assert_allclose(enlarged, (edge + 0.5) * 4 - 0.5, atol=1e-3)


@pytest.mark.parametrize("side", [200, 300, 640, 1500])
def test_large_faces_are_not_aliased(side: int) -> None:
    """A chequerboard finer than the crop's pixels comes out gray."""
    board = ((np.indices((side, side)).sum(axis=0) % 2) * 255).astype(np.uint8)
    scale = FACE_SIZE / side
    matrix = np.array([[scale, 0, 0.3], [0, scale, 0.3]], dtype=np.float32)
    crop = warp_face(board, matrix)[4:-4, 4:-4].astype(np.float64)
    assert crop.std() < 45  # 127 where pixels are skipped


def test_beyond_the_frame_the_edge_repeats() -> None:
    image = np.full((50, 50, 3), (10, 200, 90), dtype=np.uint8)
    crop = warp_face(image, np.array([[1, 0, -40], [0, 1, 30]], dtype=np.float32))
    assert crop.shape == (FACE_SIZE, FACE_SIZE, 3)
    assert (crop == (10, 200, 90)).all()


def test_warp_leaves_its_arguments_alone() -> None:
    image = ramp(300)
    matrix = np.array([[0.2, 0, 1], [0, 0.2, 1]], dtype=np.float32)
    before = image.copy(), matrix.copy()
    warp_face(image, matrix)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(matrix, before[1])


@pytest.mark.parametrize(
    ("colour", "gray"), [((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)]
)
def test_gray_is_that_of_rgb_pictures(colour: tuple[int, int, int], gray: int) -> None:
    image = np.full((200, 200, 3), colour, dtype=np.uint8)
    face = align_face(image, template_face())
    assert face.image.shape == (FACE_SIZE, FACE_SIZE)
    assert face.image.dtype == np.uint8
    np.testing.assert_allclose(face.image, gray, atol=1)


@pytest.mark.parametrize(
    ("side", "left", "top", "degrees"),
    [(100, 50, 30, 0), (300, 120, 90, 20), (300, -90, -60, 35), (500, 200, 150, -40)],
)
def test_gray_and_rgb_frames_give_the_same_crop(
    side: float, left: float, top: float, degrees: float
) -> None:
    """Within the frame and across its edges."""
    rng = np.random.default_rng(1)
    rgb = cv2.resize(rng.integers(0, 256, (50, 60, 3), dtype=np.uint8), (600, 500))
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    face = template_face(side, left, top)
    face = Detection(face.box_xyxy, face.score, turned(face.landmarks, degrees).astype(np.float32))
    from_rgb = align_face(rgb, face)
    from_gray = align_face(gray, face)
    assert np.abs(from_rgb.image.astype(int) - from_gray.image).max() <= 2
    np.testing.assert_array_equal(from_rgb.frame_to_crop, from_gray.frame_to_crop)


@pytest.mark.parametrize("width", [50, 90, 150, 300])
def test_a_frame_wider_than_is_warped_at_once_gives_the_same_crop(width: int) -> None:
    rng = np.random.default_rng(0)
    near = rng.integers(0, 256, (400, 400, 3), dtype=np.uint8)
    wide = np.zeros((400, 40_000, 3), np.uint8)
    wide[:, -400:] = near
    box = np.array([40, 40, 40 + width, 40 + width], np.float32)
    moved = box + np.array([39_600, 0, 39_600, 0], np.float32)
    nowhere = np.full((5, 2), np.nan, np.float32)
    expected = align_face(near, Detection(box, 0.9, nowhere)).image.astype(int)
    found = align_face(wide, Detection(moved, 0.9, nowhere)).image
    # Noise, and places so far from the corner are known to a hundredth of a pixel.
    assert np.abs(found - expected).max() <= 10


def test_aligned_face_says_how_it_was_made() -> None:
    face = template_face()
    aligned = align_face(np.zeros((200, 200, 3), dtype=np.uint8), face, size=48)
    assert aligned.detection is face
    assert aligned.image.shape == (48, 48)
    np.testing.assert_array_equal(aligned.frame_to_crop, crop_matrix(face, 48))


def test_real_faces_lie_on_the_template() -> None:
    """dlib's photographs by their annotated points: eyes above mouth, at the template's places."""
    errors = []
    for picture in dlib_pictures():
        for box, points in zip(picture.boxes_xyxy, picture.landmarks, strict=True):
            face = Detection(box, 1.0, points)
            matrix = crop_matrix(face)
            moved = (apply_affine(matrix, points) + 0.5) / FACE_SIZE
            errors.append(np.abs(moved - FACE_TEMPLATE).mean())
            best = similarity_transform(points, FACE_TEMPLATE * FACE_SIZE - 0.5)
            if landmarks_reliable(face):
                np.testing.assert_allclose(matrix, best, atol=1e-4)
    assert len(errors) == 18
    assert np.median(errors) < 0.03
