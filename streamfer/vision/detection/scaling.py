"""Pictures to the size of a network's input.

OpenCV's averaging (INTER_AREA) is quick where the factor is whole and takes four times as long
where it is not: 640 × 360 to 320 × 192 in 0.76 ms. So a picture is averaged by the nearest whole
factors, and what is left, up to a third, is interpolated: 0.21 ms.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.types import UInt8Array
from streamfer.vision.detection.search_plan import Look


def network_input(looks: Sequence[tuple[UInt8Array, Look]], size_wh: tuple[int, int]) -> UInt8Array:
    """What looks at pictures show, at the network's size: (N, h, w, 3) uint8."""
    width, height = size_wh
    batch = np.empty((len(looks), height, width, 3), dtype=np.uint8)
    for row, (image, look) in zip(batch, looks, strict=True):
        scale_into(row, look.part_of(image))
    return batch


def scale_into(target: UInt8Array, picture: UInt8Array) -> None:
    """Fills an (h, w, 3) uint8 array with a picture, (H, W, 3) uint8, at its size."""
    size_wh = target.shape[1], target.shape[0]
    picture_wh = picture.shape[1], picture.shape[0]
    if picture_wh == size_wh:
        target[...] = picture
        return
    factors = whole_factors(picture_wh, size_wh)
    if factors is None:
        cv2.resize(picture, size_wh, dst=target, interpolation=cv2.INTER_AREA)
        return
    if factors != (1, 1):
        smaller_wh = picture_wh[0] // factors[0], picture_wh[1] // factors[1]
        picture = cv2.resize(picture, smaller_wh, interpolation=cv2.INTER_AREA)
    cv2.resize(picture, size_wh, dst=target, interpolation=cv2.INTER_LINEAR)


def whole_factors(source_wh: tuple[int, int], target_wh: tuple[int, int]) -> tuple[int, int] | None:
    """By how much a picture is averaged along x and y before it is interpolated; None where its
    sides can't be divided so: it is averaged to the target's size then."""
    factors = [
        max(round(source / target), 1) for source, target in zip(source_wh, target_wh, strict=True)
    ]
    if any(side % factor for side, factor in zip(source_wh, factors, strict=True)):
        return None
    return factors[0], factors[1]
