"""Pencil sketches of faces (paper B, 3.1, eq. 3–7): the portrait style of its experiments."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import UInt8Array

SKETCH_KERNEL = 5
"""Side of the blur in pixels that fits a 64 px face."""


def pencil_sketch(image: UInt8Array, kernel: int = SKETCH_KERNEL) -> UInt8Array:
    """Turns a picture into a pencil drawing by colour dodge.

    Gray (eq. 3: 0.2989 R + 0.5870 G + 0.1140 B), inverted (eq. 4), blurred (eq. 5), inverted
    (eq. 6); the gray picture divided by that is white wherever a pixel is no darker than its
    surroundings, so only the strokes stay (eq. 7).

    Args:
        image: (H, W) gray or (H, W, 3) RGB, uint8.
        kernel: side of the Gaussian blur in pixels, odd; it sets the width of the strokes.

    Returns:
        (H, W) uint8.
    """
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    blurred = cv2.GaussianBlur(np.uint8(255) - gray, (kernel, kernel), 0)
    # cv2.divide saturates at 255 and gives 0 for a divisor of 0.
    return cv2.divide(gray, np.uint8(255) - blurred, scale=255.0)
