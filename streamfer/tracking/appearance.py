"""What a face looks like, in a few numbers: enough to tell two faces of one scene apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array

_CELLS = 8
"""Cells squared of the little picture that describes a face."""
_SHADE_WEIGHT = 0.05
"""Of light and dark against colour. Colour is steadier when heads turn; shade is all there is in
black and white."""
_DARK = 16.0
"""Added to the light that colours are divided by, 0–255: dark cells have none worth comparing."""
_SPREAD = 0.12
"""Difference of two descriptors at which the likeness is e^-0.5. With it, faces of one person up to
2 s apart are alike by 0.8 or more, half of the pairs of people of one photograph by 0.6 or less."""


def _oval() -> FloatArray:
    """(8, 8, 1) root of the weight of each cell; corners, which show background, have none."""
    middle = (np.arange(_CELLS) + 0.5) / _CELLS * 2 - 1
    inside = np.hypot(*np.meshgrid(middle, middle)) <= 1
    return np.sqrt(inside / inside.sum()).astype(np.float32)[:, :, None]


_ROOT_WEIGHT = _oval()


def describe(image: UInt8Array, box_xyxy: FloatArray) -> FloatArray:
    """Describes the face in a box by a coarse picture of its colour and its shade.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xyxy: (4,) px.

    Returns:
        (8, 8, 3) float32: red and blue against green, and shade; exposure hardly changes it.
    """
    region = _region(image, box_xyxy)
    if region.shape[1] > 8 * _CELLS:
        # Enough samples for a mean, without reading all of a large face.
        region = cv2.resize(region, (4 * _CELLS, 4 * _CELLS), interpolation=cv2.INTER_LINEAR)
    cells = cv2.resize(region, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
    light = cells.sum(axis=2, keepdims=True) / 3
    colour = (cells[:, :, ::2] - cells[:, :, 1:2]) * (_ROOT_WEIGHT / (light + _DARK))
    shade = (light - float(np.vdot(light, _ROOT_WEIGHT**2))) * _ROOT_WEIGHT
    shade *= _SHADE_WEIGHT / (math.sqrt(float(np.vdot(shade, shade))) + 1)
    return np.concatenate([colour, shade], axis=2)


def likeness(descriptors_a: FloatArray, descriptors_b: FloatArray) -> FloatArray:
    """How alike the faces of every pair are, by the best of its four halves.

    Behind a shoulder or at the edge of the picture only half of a face can be compared.

    Args:
        descriptors_a: (n, 8, 8, 3).
        descriptors_b: (m, 8, 8, 3).

    Returns:
        (n, m) float32 in (0, 1].
    """
    squares = ((descriptors_a[:, None] - descriptors_b[None]) ** 2).sum(axis=4)
    half = _CELLS // 2
    rows, columns = squares.sum(axis=3), squares.sum(axis=2)
    upper, lower = rows[:, :, :half].sum(axis=2), rows[:, :, half:].sum(axis=2)
    left, right = columns[:, :, :half].sum(axis=2), columns[:, :, half:].sum(axis=2)
    best = 2 * np.minimum(np.minimum(upper, lower), np.minimum(left, right))
    return np.exp(-best / (2 * _SPREAD**2))


def _region(image: UInt8Array, box_xyxy: FloatArray) -> UInt8Array:
    """The pixels in a box: at least one, at the nearest border."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box_xyxy.tolist()
    left, top = min(max(int(x1), 0), width - 1), min(max(int(y1), 0), height - 1)
    right, bottom = min(int(x2) + 1, width), min(int(y2) + 1, height)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def likenesses(tracks: Sequence[FloatArray], detections: Sequence[FloatArray]) -> FloatArray:
    """`likeness` of descriptions one by one; of none, too."""
    if not tracks or not detections:
        return np.empty((len(tracks), len(detections)), dtype=np.float32)
    return likeness(np.stack(tracks), np.stack(detections))
