"""Boxes, similarity transforms and the face template."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamfer.geometry import (
    BOX_IN_TEMPLATE,
    FACE_TEMPLATE,
    apply_affine,
    box_area,
    box_iou,
    clip_boxes,
    invert_affine,
    lean_degrees,
    similarity_transform,
    square_face_box,
)
from streamfer.types import FloatArray

POINTS = np.array([[0, 0], [10, 0], [3, 7], [-5, 2], [4, -6]], dtype=np.float32)


def similarity(scale: float, degrees: float, x: float, y: float) -> FloatArray:
    cos = scale * math.cos(math.radians(degrees))
    sin = scale * math.sin(math.radians(degrees))
    return np.array([[cos, -sin, x], [sin, cos, y]], dtype=np.float32)


@pytest.mark.parametrize(
    "matrix",
    [
        similarity(1, 0, 0, 0),
        similarity(1, 0, 1900, -1000),
        similarity(2.5, 30, 5, -7),
        similarity(0.01, -135, 60, 60),
        similarity(40, 180, 0, 3),
    ],
)
@pytest.mark.parametrize("count", [2, 3, 5])
def test_similarity_is_found_again(matrix: FloatArray, count: int) -> None:
    found = similarity_transform(POINTS[:count], apply_affine(matrix, POINTS[:count]))
    assert found.shape == (2, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, matrix, rtol=1e-4, atol=1e-3)


def test_similarity_is_the_least_squares_optimum() -> None:
    rng = np.random.default_rng(0)
    target = apply_affine(similarity(1.5, 20, 3, 4), POINTS) + rng.normal(size=(5, 2))
    found = similarity_transform(POINTS, target)
    a, b = float(found[0, 0]), float(found[1, 0])
    best = ((apply_affine(found, POINTS) - target) ** 2).sum()
    for step in rng.normal(scale=0.02, size=(200, 4)):
        other = found + np.array([[step[0], -step[1], step[2]], [step[1], step[0], step[3]]])
        assert ((apply_affine(other, POINTS) - target) ** 2).sum() >= best - 1e-4
    np.testing.assert_allclose(found[:, :2], [[a, -b], [b, a]])


def test_similarity_does_not_mirror() -> None:
    found = similarity_transform(POINTS, POINTS * [-1, 1])
    assert np.linalg.det(found[:, :2]) >= 0


def test_similarity_of_far_points_keeps_its_precision() -> None:
    far = POINTS + np.array([7680.0, 4320.0])
    found = similarity_transform(far, POINTS * 3)
    np.testing.assert_allclose(apply_affine(found, far), POINTS * 3, atol=0.01)


def test_similarity_of_one_place() -> None:
    with pytest.raises(ValueError, match="all equal"):
        similarity_transform(np.ones((5, 2)), POINTS)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (np.array([[1, 0, 5], [0, 1, -2]]), [[6, 0], [8, 2]]),
        (np.array([[2, 0, 0], [0, 3, 0]]), [[2, 6], [6, 12]]),
        (np.array([[0, -1, 0], [1, 0, 0]]), [[-2, 1], [-4, 3]]),
    ],
)
def test_apply_affine(matrix: FloatArray, expected: list[list[float]]) -> None:
    result = apply_affine(matrix, [[1, 2], [3, 4]])
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected)


def test_apply_affine_to_no_points() -> None:
    assert apply_affine(similarity(2, 3, 4, 5), np.empty((0, 2))).shape == (0, 2)


@pytest.mark.parametrize(
    "matrix", [similarity(3, 50, -10, 400), np.array([[2, 1, 3], [0, 4, 5]], dtype=np.float32)]
)
def test_invert_affine(matrix: FloatArray) -> None:
    there_and_back = apply_affine(invert_affine(matrix), apply_affine(matrix, POINTS))
    np.testing.assert_allclose(there_and_back, POINTS, atol=1e-3)


def test_box_area() -> None:
    boxes = [[0, 0, 2, 3], [1, 1, 1, 5], [5, 5, 2, 9], [5, 5, 2, 2]]
    np.testing.assert_allclose(box_area(boxes), [6, 0, 0, 0])
    assert box_area(np.empty((0, 4))).shape == (0,)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([0, 0, 10, 10], [0, 0, 10, 10], 1.0),
        ([0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
        ([0, 0, 10, 10], [2, 2, 4, 7], 0.1),
        ([0, 0, 10, 10], [10, 0, 20, 10], 0.0),
        ([0, 0, 10, 10], [30, 30, 40, 40], 0.0),
        ([3, 3, 3, 3], [3, 3, 3, 3], 0.0),
        ([10, 10, 0, 0], [0, 0, 10, 10], 0.0),
        ([0, 0, 0.1, 0.1], [0, 0, 0.1, 0.05], 0.5),
    ],
)
def test_box_iou(a: list[float], b: list[float], expected: float) -> None:
    assert box_iou(a, b)[0, 0] == pytest.approx(expected, abs=1e-6)
    assert box_iou(b, a)[0, 0] == pytest.approx(expected, abs=1e-6)


def test_box_iou_of_every_pair() -> None:
    a = [[0, 0, 10, 10], [20, 20, 30, 30], [5, 5, 15, 15]]
    b = [[0, 0, 10, 10], [20, 20, 30, 40]]
    result = box_iou(a, b)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, [[1, 0], [0, 0.5], [25 / 175, 0]], atol=1e-6)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (2, 0)])
def test_box_iou_of_nothing(n: int, m: int) -> None:
    assert box_iou(np.zeros((n, 4)), np.zeros((m, 4))).shape == (n, m)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([10, 20, 30, 40], [10, 20, 30, 40]),
        ([-5, -6, 700, 400], [0, 0, 640, 360]),
        ([-9, 10, -2, 20], [0, 10, 0, 20]),
        ([650, 370, 660, 380], [640, 360, 640, 360]),
    ],
)
def test_clip_boxes(box: list[float], expected: list[float]) -> None:
    boxes = np.array([box], dtype=np.float32)
    np.testing.assert_allclose(clip_boxes(boxes, 640, 360), [expected])
    np.testing.assert_allclose(boxes, [box])


def test_template_is_symmetric_and_in_the_square() -> None:
    mirrored = FACE_TEMPLATE[[1, 0, 2, 4, 3]] * [-1, 1] + [1, 0]
    np.testing.assert_allclose(mirrored, FACE_TEMPLATE, atol=1e-6)
    assert ((FACE_TEMPLATE > 0) & (FACE_TEMPLATE < 1)).all()


def test_square_of_the_template_box() -> None:
    """A detector's box where the template has it implies the very square."""
    x, y, width, height = BOX_IN_TEMPLATE
    box = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * 200 + 30
    np.testing.assert_allclose(square_face_box(box), [30, 30, 230, 230], atol=1e-3)


@pytest.mark.parametrize("box", [[10, 10, 20, 60], [-40, 3, 80, 9], [5, 5, 5, 5]])
def test_square_face_box_is_square(box: list[float]) -> None:
    x1, y1, x2, y2 = square_face_box(box)
    assert x2 - x1 == pytest.approx(y2 - y1, abs=1e-4)


@pytest.mark.parametrize("degrees", [-170, -90, 0, 30, 90, 135])
def test_lean_degrees(degrees: float) -> None:
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (FACE_TEMPLATE @ turn.T * 80 + 200).astype(np.float32)
    unknown = np.full((5, 2), np.nan, np.float32)
    lean = lean_degrees(np.stack([points, unknown]))
    assert lean[0] == pytest.approx(degrees, abs=1e-3)
    assert np.isnan(lean[1])
