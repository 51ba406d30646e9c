"""Covered faces: nothing of the face is left, and the rest of the picture is as it was."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.types import Detection, UInt8Array
from streamfer.vision.cover import blur_face, replace_face
from tests.support.results import detection


def noise(seed: int) -> UInt8Array:
    """(240, 320, 3): where something of it shows through, it differs from other noise."""
    return np.random.default_rng(seed).integers(0, 256, (240, 320, 3), dtype=np.uint8)


def face_pixels(face: Detection) -> tuple[slice, slice]:
    left, top, right, bottom = (round(float(v)) for v in face.box_xyxy)
    return slice(top, bottom), slice(left, right)


@pytest.mark.parametrize("drawn", [False, True])
def test_nothing_of_the_face_is_left(drawn: bool) -> None:
    face = detection(120, 60, 70)
    drawing = np.full((64, 64), 140, np.uint8)
    covered = []
    for seed in (1, 2):
        image = noise(seed)
        if drawn:
            replace_face(image, face, drawing)
        else:
            blur_face(image, face.box_xyxy)
        covered.append(image[face_pixels(face)].astype(int))
    # Two faces of pure detail become alike: what is left is means of hundreds of pixels.
    assert np.abs(covered[0] - covered[1]).max() < 60
    assert np.abs(np.diff(covered[0], axis=1)).max() < 12


def test_the_rest_of_the_picture_is_untouched() -> None:
    face = detection(120, 60, 70)
    image = noise(1)
    replace_face(image, face, np.full((64, 64), 140, np.uint8))
    assert (image[:, :60] == noise(1)[:, :60]).all()
    assert (image[200:] == noise(1)[200:]).all()


def test_the_drawn_face_is_to_be_seen_in_the_colours_of_its_place() -> None:
    face = detection(120, 60, 70)
    image = np.full((240, 320, 3), (200, 150, 100), np.uint8)
    drawing = np.full((64, 64), 100, np.uint8)
    drawing[:, 32:] = 180
    replace_face(image, face, drawing)
    rows, columns = face_pixels(face)
    patch = image[rows, columns].astype(int)
    assert patch[:, -20:].mean() > patch[:, :20].mean() + 30
    assert (patch[..., 0] > patch[..., 1]).all()
    assert (patch[..., 1] > patch[..., 2]).all()


@pytest.mark.parametrize("place", [(-60, -60), (300, 220), (-500, 0), (2000, 2000)])
def test_faces_at_the_edge_and_outside_are_no_trouble(place: tuple[int, int]) -> None:
    image = noise(1)
    face = detection(*place, 70)
    blur_face(image, face.box_xyxy)
    replace_face(image, face, np.full((64, 64), 140, np.uint8))
    tiny = detection(50, 50, 1)
    replace_face(image, tiny, np.full((64, 64), 140, np.uint8))
