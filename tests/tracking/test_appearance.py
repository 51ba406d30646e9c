"""Telling the faces of a scene apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamfer.tracking.appearance import describe, likeness
from streamfer.types import FloatArray, UInt8Array
from tests.support.faces import dlib_pictures
from tests.support.scenes import Person, Pose, Scene, play


def painted(look: int, **pose: float) -> tuple[UInt8Array, FloatArray]:
    scene = Scene([Person(look, lambda t: Pose(200, 130, **pose))], 1 / 24)
    (frame,) = play(scene)
    return frame.image, frame.truth[0].box_xyxy


def alike(a: tuple[UInt8Array, FloatArray], b: tuple[UInt8Array, FloatArray]) -> float:
    return float(likeness(describe(*a)[None], describe(*b)[None])[0, 0])


def test_a_face_is_like_itself() -> None:
    assert alike(painted(0), painted(0)) == pytest.approx(1)


@pytest.mark.parametrize("other", [{"width": 30.0}, {"width": 120.0}, {"turn": 0.8}])
def test_a_face_at_another_size_or_turn_is_like_itself(other: dict[str, float]) -> None:
    assert alike(painted(0), painted(0, **other)) > 0.8


@pytest.mark.parametrize("exposure", [0.5, 0.8, 1.1])
def test_exposure_hardly_matters(exposure: float) -> None:
    image, box = painted(1)
    other = (image * exposure).clip(0, 255).astype(np.uint8)
    assert alike((image, box), (other, box)) > 0.7


@pytest.mark.parametrize(("a", "b"), [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
def test_different_faces_differ(a: int, b: int) -> None:
    assert alike(painted(a), painted(b)) < 0.75


@pytest.mark.parametrize("hidden", [np.s_[:, :200], np.s_[:, 200:], np.s_[:130], np.s_[130:]])
def test_half_a_face_is_enough(hidden: tuple[slice, ...]) -> None:
    image, box = painted(2)
    covered = image.copy()
    covered[hidden] = (20, 60, 140)
    assert alike((image, box), (covered, box)) > 0.8


def test_black_and_white_faces_differ_too() -> None:
    def gray(look: int) -> tuple[UInt8Array, FloatArray]:
        image, box = painted(look)
        return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), box

    assert alike(gray(0), gray(2)) < alike(gray(0), gray(0)) - 0.02


def test_people_of_one_photograph_differ() -> None:
    """Real faces, with the little scatter of a detector: oneself is always the best match."""
    rng = np.random.default_rng(0)
    for picture in dlib_pictures():
        boxes = picture.boxes_xyxy
        scatter = rng.normal(scale=0.02, size=boxes.shape) * (boxes[:, 2:3] - boxes[:, :1])
        known = np.stack([describe(picture.image, box) for box in boxes])
        seen = np.stack([describe(picture.image, box) for box in boxes + scatter])
        assert (likeness(known, seen).argmax(axis=1) == np.arange(len(boxes))).all()


@pytest.mark.parametrize(
    "box", [[-50, -50, -10, -10], [900, 900, 950, 950], [5, 5, 5, 5], [9, 9, 2, 2]]
)
def test_boxes_without_pixels_are_described_all_the_same(box: list[float]) -> None:
    image = np.zeros((20, 30, 3), dtype=np.uint8)
    assert np.isfinite(describe(image, np.array(box, dtype=np.float32))).all()
