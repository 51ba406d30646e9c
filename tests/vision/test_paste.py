"""Changed faces put back into frames."""

from __future__ import annotations

import numpy as np

from streamfer.vision.paste import paste_difference, soft_edge

_TO_CROP = np.array([[2, 0, -40], [0, 2, -20]], np.float32)
"""A face of 32 px at (20, 10)."""


def test_the_change_lands_on_the_face_and_nowhere_else() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    before, after = np.full((64, 64), 90, np.uint8), np.full((64, 64), 120, np.uint8)
    pasted = paste_difference(image, before, after, _TO_CROP)
    assert (pasted[26, 36] == 130).all()
    outside = np.ones((60, 80), bool)
    outside[10:43, 20:53] = False
    assert (pasted[outside] == 100).all()
    assert (image == 100).all()


def test_no_change_leaves_the_frame_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    face = np.full((64, 64, 3), 7, np.uint8)
    np.testing.assert_array_equal(paste_difference(image, face, face, _TO_CROP), image)


def test_the_edge_fades() -> None:
    weights = soft_edge(64)
    assert weights[32, 32] == 1
    assert weights[0, 32] < 0.02


def test_a_generator_that_draws_larger_than_the_crop_fits_the_same_place() -> None:
    image = np.full((60, 80, 3), 100, np.uint8)
    before, after = np.full((128, 128), 90, np.uint8), np.full((128, 128), 120, np.uint8)
    large = paste_difference(image, before, after, _TO_CROP, crop_px=64)
    small = paste_difference(image, before[:64, :64], after[:64, :64], _TO_CROP)
    assert np.abs(large.astype(int) - small).max() <= 2


def test_a_frame_wider_than_is_warped_at_once_gets_the_same() -> None:
    before, after = np.full((64, 64), 90, np.uint8), np.full((64, 64), 120, np.uint8)
    far = _TO_CROP - np.array([[0, 0, 2 * 40_000], [0, 0, 0]], np.float32)
    wide = paste_difference(np.full((60, 40_080, 3), 100, np.uint8), before, after, far)
    near = paste_difference(np.full((60, 80, 3), 100, np.uint8), before, after, _TO_CROP)
    np.testing.assert_array_equal(wide[:, 40_000:], near)
    assert (wide[:, :40_000] == 100).all()
