"""Pictures to the size of a network's input, on a device, as `cv2.resize` does it on the host."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from streamfer.types import FloatArray


class Resizer:
    """Resizes by averaging along an axis that shrinks, by interpolation along one that grows.

    Both are linear, so each axis is a product with a matrix. Against OpenCV's INTER_AREA and
    INTER_LINEAR, of which the detectors take the former as soon as one axis shrinks, results differ
    by one level of rounding; where one axis shrinks and the other grows, OpenCV interpolates both,
    and real pictures differ by a few levels.

    Args:
        device: of the pictures.
    """

    def __init__(self, device: torch.device) -> None:
        @functools.lru_cache(maxsize=32)
        def weights(source: int, target: int) -> Tensor:
            return torch.from_numpy(resize_weights(source, target)).to(device)

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
        rows, columns = self._weights(height, size_wh[1]), self._weights(width, size_wh[0])
        planes = picture.permute(2, 0, 1).to(torch.float32)
        resized = rows @ planes @ columns.T
        return resized.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0)


def resize_weights(source: int, target: int) -> FloatArray:
    """(target, source) float32: what each pixel of a resized line takes from each of the line.

    Args:
        source: pixels of the line.
        target: pixels wanted.
    """
    scale = source / target
    places = np.arange(target)[:, None]
    if target <= source:
        pixels = np.arange(source)
        covered = np.minimum((places + 1) * scale, pixels + 1) - np.maximum(places * scale, pixels)
        return (covered.clip(min=0) / scale).astype(np.float32)
    centres = ((places + 0.5) * scale - 0.5).clip(0, source - 1)
    return (1 - np.abs(centres - np.arange(source))).clip(min=0).astype(np.float32)
