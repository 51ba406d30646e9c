"""Pictures to the size of a network's input, on a device, as `scale_into` does it on the host."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from streamfer.types import FloatArray
from streamfer.vision.detection.scaling import whole_factors


class Resizer:
    """Resizes as `scale_into` does: by averaging along an axis that shrinks much, by interpolation
    along one that shrinks little or grows.

    Both are linear, so each axis is a product with a matrix. Results differ by a level of rounding
    from OpenCV's, by two where that averages and interpolates; where it averages a picture whose
    sides have no whole factors, one axis shrinks and the other grows, it interpolates both, and
    real pictures differ by a few levels.

    Args:
        device: of the pictures.
    """

    def __init__(self, device: torch.device) -> None:
        @functools.lru_cache(maxsize=32)
        def weights(source: int, target: int, factor: int | None) -> Tensor:
            return torch.from_numpy(resize_weights(source, target, factor)).to(device)

        self._weights = weights

    def __call__(self, picture: Tensor, size_wh: tuple[int, int]) -> Tensor:
        """Resizes one picture.

        Args:
            picture: [HW3] uint8.
            size_wh: width and height wanted, in pixels.

        Returns:
            [HW3] uint8.
        """
        height, width = picture.shape[:2]
        if (width, height) == size_wh:
            return picture
        factor_x, factor_y = whole_factors((width, height), size_wh) or (None, None)
        rows = self._weights(height, size_wh[1], factor_y)
        columns = self._weights(width, size_wh[0], factor_x)
        planes = picture.permute(2, 0, 1).to(torch.float32)
        resized = rows @ planes @ columns.T
        return resized.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


def resize_weights(source: int, target: int, factor: int | None) -> FloatArray:
    """(target, source) float32: what each pixel of a resized line takes from each of the line.

    Args:
        source: pixels of the line.
        target: pixels wanted.
        factor: by which it is averaged before it is interpolated; None: it is averaged to the
            target's pixels, or interpolated where it grows.
    """
    if factor is None:
        return _averaging(source, target) if target <= source else _interpolation(source, target)
    smaller = source // factor
    return _interpolation(smaller, target) @ _averaging(source, smaller)


def _averaging(source: int, target: int) -> FloatArray:
    scale = source / target
    places, pixels = np.arange(target)[:, None], np.arange(source)
    covered = np.minimum((places + 1) * scale, pixels + 1) - np.maximum(places * scale, pixels)
    return (covered.clip(min=0) / scale).astype(np.float32)


def _interpolation(source: int, target: int) -> FloatArray:
    centres = ((np.arange(target)[:, None] + 0.5) * source / target - 0.5).clip(0, source - 1)
    return (1 - np.abs(centres - np.arange(source))).clip(min=0).astype(np.float32)
