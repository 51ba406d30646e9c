"""Faces made unrecognisable in pictures: blurred, or replaced by drawn ones."""

from __future__ import annotations

import cv2
import numpy as np

from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import crop_matrix, crop_region
from streamfer.vision.paste import soft_edge

_MARGIN = 0.25
"""Of the box's sides: beyond a face's box so much is covered, for hair, ears and chin."""
_FADE = 0.12
"""Of the box's sides: beyond that the cover fades, so that no seam shows."""
_BLOCKS = 5
"""All that is left of a face is the mean colour of so many parts of it, across and down."""
_BRIGHTEST = 2.0
"""Most by which a drawing lightens what it is put onto."""


def blur_face(image: UInt8Array, box_xyxy: FloatArray, margin: float = 0.0) -> None:
    """Blurs a face, in place, beyond recovery.

    Args:
        image: (H, W, 3) uint8 RGB, writable.
        box_xyxy: (4,) px.
        margin: of the box's sides, beyond what is covered anyway.
    """
    left, top, right, bottom = (float(value) for value in box_xyxy)
    wide, high = max(right - left, 1.0), max(bottom - top, 1.0)
    inner, fade = _MARGIN + margin, _FADE
    x = _span(left - inner * wide, right + inner * wide, fade * wide, image.shape[1])
    y = _span(top - inner * high, bottom + inner * high, fade * high, image.shape[0])
    if x is None or y is None:
        return
    (x0, x1, across), (y0, y1, down) = x, y
    region = image[y0:y1, x0:x1]
    small = cv2.resize(region, (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
    covered = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
    _blend(region, covered.astype(np.float32), np.outer(down, across).astype(np.float32))


def replace_face(image: UInt8Array, detection: Detection, drawing: UInt8Array) -> None:
    """Puts a drawn face in a face's place, in place; nothing of the face itself is left.

    Args:
        image: (H, W, 3) uint8 RGB, writable.
        detection: the face that goes.
        drawing: (S, S) uint8 gray, aligned as crops are; it takes colour and brightness from the
            mean colours of what it covers.
    """
    blur_face(image, detection.box_xyxy)
    to_crop = crop_matrix(detection, len(drawing)).astype(np.float64)
    place, matrix = crop_region(to_crop, len(drawing), image)
    region = image[place]

    def placed(source: FloatArray) -> FloatArray:
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        warped = cv2.warpAffine(source, matrix, region.shape[1::-1], flags=flags)
        return np.asarray(warped, np.float32)

    face = placed(drawing.astype(np.float32))
    weight = np.clip(placed(soft_edge(len(drawing))), 0, 1)
    ground = region.astype(np.float32)
    light = np.maximum(ground @ np.array([0.299, 0.587, 0.114], np.float32), 1.0)
    share = weight / max(float(weight.sum()), 1e-6)
    mean = max(float((face * share).sum()), 1.0)
    wanted = face * float((light * share).sum()) / mean
    gain = np.clip(wanted / light, 0, _BRIGHTEST).astype(np.float32)
    coloured = ground * gain[:, :, None]
    _blend(region, coloured, weight)


def _span(low: float, high: float, fade: float, limit: int) -> tuple[int, int, FloatArray] | None:
    """First pixel, end, and weights of a line: 1 between `low` and `high`, 0 from `fade` beyond."""
    start, end = max(int(np.floor(low - fade)), 0), min(int(np.ceil(high + fade)) + 1, limit)
    if end <= start:
        return None
    place = np.arange(start, end, dtype=np.float32)
    beyond = np.maximum(np.maximum(low - place, place - high), 0)
    return start, end, np.clip(1 - beyond / max(fade, 1e-3), 0, 1).astype(np.float32)


def _blend(region: UInt8Array, over: FloatArray, weight: FloatArray) -> None:
    weight = weight[:, :, None]
    mixed = region * (1 - weight) + over * weight
    region[:] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
