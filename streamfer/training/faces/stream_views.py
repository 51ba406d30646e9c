"""Faces as streams show them: small, blurred, dark, noisy, compressed."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import UInt8Array

_CANVAS_PX = 320
_SMALLEST_PX, _LARGEST_PX = 24.0, 240.0
"""Sides between which faces are drawn, evenly in octaves."""


def stream_view(picture: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """A frame in which the picture of a face stands at a random place and size.

    Args:
        picture: (H, W) uint8 gray, filled by one face.
        rng: the source of chance.

    Returns:
        (320, 320, 3) uint8 RGB.
    """
    side = float(np.exp(rng.uniform(np.log(_SMALLEST_PX), np.log(_LARGEST_PX))))
    scale = side / max(picture.shape)
    room = _CANVAS_PX - side
    shift = rng.uniform(0, room, 2)
    shrinking = scale < 1
    source = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale) if shrinking else picture
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    frame = cv2.warpAffine(
        source,
        matrix,
        (_CANVAS_PX, _CANVAS_PX),
        flags=cv2.INTER_LINEAR if shrinking else cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    frame = _compressed(_dimmed(_blurred(frame, side, rng), rng), rng)
    return cv2.cvtColor(frame, cv2.COLOR_GRAY2RGB)


def _blurred(frame: UInt8Array, side: float, rng: np.random.Generator) -> UInt8Array:
    """Out of focus half of the time, by up to a fortieth of the face."""
    if rng.random() < 0.5:
        return frame
    return cv2.GaussianBlur(frame, (0, 0), 0.3 + rng.uniform(0, side / 40))


def _dimmed(frame: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Other light half of the time, with the noise of a small sensor."""
    if rng.random() < 0.5:
        return frame
    light = frame.astype(np.float32) * rng.uniform(0.25, 1.2) + rng.uniform(-20, 20)
    noise = rng.normal(0, rng.uniform(1, 10), frame.shape)
    return np.clip(light + noise, 0, 255).astype(np.uint8)


def _compressed(frame: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 90))]
    encoded = cv2.imencode(".jpg", frame, quality)[1]
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    return decoded
