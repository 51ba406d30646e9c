from __future__ import annotations

import numpy as np
import pytest

from streamfer.labels import COLOURS_RGB
from streamfer.vision.overlay.drawing import (
    INK,
    WHITE,
    Canvas,
    blend,
    draw_frame,
    frame_corner,
    pill,
    readable_on,
    rounded_coverage,
    text_coverage,
    text_width,
)


def test_blending_mixes_in_proportion_to_the_opacity() -> None:
    image = np.full((4, 4, 3), 100, dtype=np.uint8)
    canvas = Canvas(2, 2)
    canvas.paint(np.ones((2, 2), np.float32), (200, 0, 100), opacity=0.5)
    blend(image, canvas.sprite(), 1, 1)
    assert np.abs(image[1:3, 1:3].astype(int) - (150, 50, 100)).max() <= 1
    assert (image[0] == 100).all()


def test_layers_are_painted_over_each_other() -> None:
    canvas = Canvas(1, 1)
    whole = np.ones((1, 1), np.float32)
    canvas.paint(whole, (255, 0, 0))
    canvas.paint(whole, (0, 0, 255), opacity=0.25)
    sprite = canvas.sprite()
    assert sprite.colour[0, 0].tolist() == [191, 0, 64]
    assert sprite.keep[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("x", "y", "changed"),
    [(-2, -2, 1), (8, 8, 4), (9, 0, 3), (-3, 0, 0), (0, 10, 0), (3, 3, 9)],
)
def test_a_sprite_over_the_edge_is_cut(x: int, y: int, changed: int) -> None:
    image = np.zeros((10, 10, 3), dtype=np.uint8)
    canvas = Canvas(3, 3)
    canvas.paint(np.ones((3, 3), np.float32), WHITE)
    blend(image, canvas.sprite(), x, y)
    assert (image[:, :, 0] == 255).sum() == changed


def test_rounded_corners_are_clear_and_soft_and_the_middle_is_solid() -> None:
    coverage = rounded_coverage(20, 12, 6)
    assert coverage[0, 0] == 0
    assert (coverage[4:8, 4:16] == 1).all()
    assert ((coverage > 0.05) & (coverage < 0.95)).any()
    assert np.allclose(coverage, coverage[::-1, ::-1])
    assert coverage.sum() == pytest.approx(20 * 12 - (4 - np.pi) * 36, rel=0.02)


@pytest.mark.parametrize("thickness", [1, 2, 3, 4, 7])
def test_a_frame_is_as_thick_as_asked_and_sharp(thickness: int) -> None:
    image = np.zeros((120, 160, 3), dtype=np.uint8)
    draw_frame(image, (10, 20, 150, 110), frame_corner(thickness, 3 * thickness + 1, WHITE))
    assert (image[65, :80] == 255).all(axis=1).sum() == thickness
    assert (image[:60, 80] == 255).all(axis=1).sum() == thickness
    assert not image[:20].any()
    assert not image[:, :10].any()
    assert not image[60:70, 40:120].any()


@pytest.mark.parametrize("size", [9, 12, 20, 39])
def test_text_stays_within_its_width_and_centres_its_capitals(size: int) -> None:
    coverage = text_coverage("HHH", size, 2 * size)
    assert coverage.shape == (2 * size, text_width("HHH", size))
    rows = np.flatnonzero(coverage.max(axis=1) > 0.4)
    assert abs((rows[0] + rows[-1]) / 2 - (2 * size - 1) / 2) <= 1
    assert coverage[:, -1].max() < 0.5


@pytest.mark.parametrize("name", COLOURS_RGB)
def test_text_contrasts_with_every_label_colour(name: str) -> None:
    def luminance(colour: tuple[int, int, int]) -> float:
        c = np.array(colour) / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    background = COLOURS_RGB[name]
    ink = readable_on(background)
    assert ink in (INK, WHITE)
    low, high = sorted([luminance(background), luminance(ink)])
    assert (high + 0.05) / (low + 0.05) >= 4.5


def test_pills_are_made_once() -> None:
    assert pill(20, 6, WHITE) is pill(20, 6, WHITE)
