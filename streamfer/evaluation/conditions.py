"""Faces under conditions that make them hard: covered, blurred, far away, dark, turned, drawn."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.types import FloatArray, UInt8Array

_COVERED_SHARE = 0.25
"""Of the crop's area, by an even gray square."""
_BLUR_PX = 2.0
_FAR_PX = 24
_DARK_LIGHT, _DARK_NOISE = 0.2, 4.0
_TURNED_SHARE = 0.2


def covered(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """(S, S) uint8 with a gray square on a quarter of it, anywhere."""
    side = crop.shape[0]
    size = round(side * _COVERED_SHARE**0.5)
    top, left = rng.integers(0, side - size + 1, 2)
    result = crop.copy()
    result[top : top + size, left : left + size] = 128
    return result


def blurred(crop: UInt8Array, _rng: np.random.Generator) -> UInt8Array:
    """(S, S) uint8 out of focus, σ = 2 px."""
    return cv2.GaussianBlur(crop, (0, 0), _BLUR_PX)


def far(crop: UInt8Array, _rng: np.random.Generator) -> UInt8Array:
    """(S, S) uint8 as a face of 24 px, enlarged again."""
    small = cv2.resize(crop, (_FAR_PX, _FAR_PX), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, crop.shape[::-1], interpolation=cv2.INTER_LINEAR)


def dark(crop: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """(S, S) uint8 at a fifth of the light, with a sensor's noise."""
    noise = rng.normal(0, _DARK_NOISE, crop.shape)
    return np.clip(crop * _DARK_LIGHT + noise, 0, 255).astype(np.uint8)


CONDITIONS: dict[str, Callable[[UInt8Array, np.random.Generator], UInt8Array]] = {
    "covered": covered,
    "blurred": blurred,
    "far": far,
    "dark": dark,
}
"""Each changes one crop."""


def under(condition: str, crops: UInt8Array, seed: int = 0) -> UInt8Array:
    """(n, S, S) uint8 crops under a condition, the same for the same seed."""
    rng = np.random.default_rng(seed)
    change = CONDITIONS[condition]
    return np.array([change(crop, rng) for crop in crops], np.uint8).reshape(crops.shape)


def most_turned(landmarks: FloatArray) -> NDArray[np.bool_]:
    """(n,) the fifth of the faces that look away from the camera most.

    Args:
        landmarks: (n, 5, 2), see `Detection.landmarks`; NaN where no face was found, which counts
            as not turned.
    """
    eyes = landmarks[:, 1] - landmarks[:, 0]
    middle = (landmarks[:, 0] + landmarks[:, 1]) / 2
    across = np.linalg.norm(eyes, axis=1) + 1e-6
    # How far the nose stands from the middle, along the line of the eyes.
    offset = ((landmarks[:, 2] - middle) * eyes).sum(axis=1) / across**2
    turned = np.abs(np.nan_to_num(offset))
    if not len(turned):
        return np.zeros(0, bool)
    return (turned >= np.quantile(turned, 1 - _TURNED_SHARE)) & (turned > 0)
