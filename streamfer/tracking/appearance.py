"""What a face looks like, in a few numbers: enough to tell two faces of one scene apart."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array

_CELLS = 8
"""The face is described on this many cells squared."""
_CHROMA_WEIGHT = 0.5


def describe(image: UInt8Array, box_xyxy: FloatArray) -> FloatArray | None:
    """Describes the face in a box by a coarse picture of its light and of its colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        box_xyxy: (4,) px.

    Returns:
        (192,) float32 of unit length, or None where the box has no pixels in the picture.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box_xyxy.tolist()
    left, top = max(int(x1), 0), max(int(y1), 0)
    right, bottom = min(int(x2) + 1, width), min(int(y2) + 1, height)
    if right - left < 2 or bottom - top < 2:
        return None
    region = image[top:bottom, left:right]
    if region.shape[1] > 8 * _CELLS:
        region = cv2.resize(region, (4 * _CELLS, 4 * _CELLS), interpolation=cv2.INTER_LINEAR)
    cells = cv2.resize(region, (_CELLS, _CELLS), interpolation=cv2.INTER_AREA).astype(np.float32)
    light = cells.mean(axis=2)
    chroma = (cells[:, :, (0, 2)] - cells[:, :, 1:2]) / (light.mean() + 16.0)
    shade = light - light.mean()
    shade /= np.linalg.norm(shade) + 1e-3
    chroma *= 1.0 / (np.linalg.norm(chroma) + 0.5)
    parts = np.concatenate(
        [np.sqrt(1 - _CHROMA_WEIGHT) * shade.ravel(), np.sqrt(_CHROMA_WEIGHT) * chroma.ravel()]
    )
    return parts / (np.linalg.norm(parts) + 1e-6)


def likeness(descriptors_a: FloatArray, descriptors_b: FloatArray) -> FloatArray:
    """Cosine of every pair, (n, m) float32 in [-1, 1], of (n, 192) and (m, 192) descriptors."""
    return descriptors_a @ descriptors_b.T
