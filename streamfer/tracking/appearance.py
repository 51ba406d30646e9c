"""What a face looks like, in a few numbers: enough to tell two faces of one scene apart."""

from __future__ import annotations

import math

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array

_CELLS = 6
"""Cells squared of the little picture that describes a face."""
_AROUND = 0.1
"""Hair and collar tell people apart too: the box grows by this fraction on every side."""
_SHADE_WEIGHT = 0.1
"""Of light and dark against colour. Colour is steadier when heads turn; shade is all there is in
black and white."""
_SPREAD = 0.2
"""Difference of two descriptors at which the likeness is e^-0.5. With it, faces of one person up to
2 s apart are alike by at least 0.8, different people of one photograph mostly by less than 0.75."""


def describe(image: UInt8Array, box_xyxy: FloatArray) -> FloatArray:
    """Describes the face in a box by a coarse picture of its colour and its shade.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xyxy: (4,) px; at least its border must touch the picture.

    Returns:
        (108,) float32; exposure and contrast do not change it.
    """
    region = _region(image, box_xyxy)
    if region.shape[1] > 8 * _CELLS:
        # Enough samples for a mean, without reading all of a large face.
        region = cv2.resize(region, (4 * _CELLS, 4 * _CELLS), interpolation=cv2.INTER_LINEAR)
    cells = cv2.resize(region, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
    light = cells.sum(axis=2) / 3
    mean_light = float(light.sum()) / light.size
    chroma = (cells[:, :, ::2] - cells[:, :, 1:2]) / (mean_light + 16)
    shade = light - mean_light
    contrast = math.sqrt(float(np.vdot(shade, shade)) / shade.size)
    shade *= _SHADE_WEIGHT / (contrast + 1)
    descriptor: FloatArray = np.concatenate([chroma.ravel(), shade.ravel()])
    descriptor /= _CELLS
    return descriptor


def likeness(descriptors_a: FloatArray, descriptors_b: FloatArray) -> FloatArray:
    """How alike the faces of every pair are, (n, m) float32 in (0, 1].

    Args:
        descriptors_a: (n, 108).
        descriptors_b: (m, 108).
    """
    difference = descriptors_a[:, None] - descriptors_b[None]
    return np.exp(-(difference**2).sum(axis=2) / (2 * _SPREAD**2))


def _region(image: UInt8Array, box_xyxy: FloatArray) -> UInt8Array:
    """The pixels in and a little around a box: at least one, at the nearest border."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box_xyxy.tolist()
    extra_x, extra_y = _AROUND * (x2 - x1), _AROUND * (y2 - y1)
    left = min(max(int(x1 - extra_x), 0), width - 1)
    top = min(max(int(y1 - extra_y), 0), height - 1)
    right, bottom = min(int(x2 + extra_x) + 1, width), min(int(y2 + extra_y) + 1, height)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]
