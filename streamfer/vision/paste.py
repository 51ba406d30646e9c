"""Faces put back into the frames that they were cut from."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.align import crop_region

_FEATHER = 0.12
"""Of the crop's side: over this width the edge fades, so that no seam shows."""


def paste_difference(
    image: UInt8Array,
    before: UInt8Array,
    after: UInt8Array,
    frame_to_crop: FloatArray,
    crop_px: int | None = None,
) -> UInt8Array:
    """Adds to a frame what changed between two pictures of a face.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        before: (S, S) or (S, S, 3) uint8.
        after: of the same shape.
        frame_to_crop: (2, 3) from the pixels of the frame to those of the crop as it was cut.
        crop_px: side of that crop, where the pictures have another; None: theirs.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    change = after.astype(np.float32) - before.astype(np.float32)
    change = change if change.ndim == 3 else change[:, :, None]
    change = change * soft_edge(len(change))[:, :, None]
    if crop_px not in (None, len(change)):
        change = cv2.resize(change, (crop_px, crop_px), interpolation=cv2.INTER_AREA)
        change = change if change.ndim == 3 else change[:, :, None]
    place, matrix = crop_region(frame_to_crop.astype(np.float64), len(change), image)
    pasted = image.copy()
    region = pasted[place]
    placed = cv2.warpAffine(
        np.repeat(change, 3 // change.shape[2], axis=2),
        matrix,
        region.shape[1::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    region[:] = np.clip(np.rint(region + placed), 0, 255).astype(np.uint8)
    return pasted


def soft_edge(size: int) -> FloatArray:
    """Weights of a square, (size, size) float32: 1 inside, falling to 0 at its edge."""
    place = (np.arange(size) + 0.5) / size
    ramp = np.clip(np.minimum(place, 1 - place) / _FEATHER, 0, 1)
    smooth = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    return np.outer(smooth, smooth)
