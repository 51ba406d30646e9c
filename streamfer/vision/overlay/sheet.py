"""Sheets of small pictures."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from streamfer.errors import OutputError
from streamfer.types import UInt8Array
from streamfer.vision.overlay.drawing import INK, blend, drawable, elided, text_sprite

_GAP_PX = 2
_GAP_GRAY = 255
_TEXT_PX, _TEXT_SIZE = 18, 12
"""Height of a caption, and its font's em."""
_JPEG = (
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
"""Colours at full size: coloured text and thin lines blur without."""
_ENCODING = {".jpg": _JPEG, ".jpeg": _JPEG, ".webp": (cv2.IMWRITE_WEBP_QUALITY, 95)}


def sheet(pictures: UInt8Array, columns: int = 8) -> UInt8Array:
    """Lays pictures out in rows.

    Args:
        pictures: (N, H, W) uint8.
        columns: pictures per row.

    Returns:
        (rows · (H + 2) + 2, columns · (W + 2) + 2) uint8; places left over are white.
    """
    n, height, width = pictures.shape
    rows = -(-n // columns)
    high, wide = height + _GAP_PX, width + _GAP_PX
    shape = (rows * high + _GAP_PX, columns * wide + _GAP_PX)
    result = np.full(shape, _GAP_GRAY, dtype=np.uint8)
    for index, picture in enumerate(pictures):
        top = _GAP_PX + index // columns * high
        left = _GAP_PX + index % columns * wide
        result[top : top + height, left : left + width] = picture
    return result


def captioned(picture: UInt8Array, caption: str, side: int) -> UInt8Array:
    """A square tile of a sheet under its caption, as much of which is written as there is room for.

    Args:
        picture: (S, S) gray or (S, S, 3) RGB uint8; resized to the side.
        caption: one line.
        side: of the picture in the tile, in pixels.

    Returns:
        (side + 18, side + 4, 3) uint8 RGB, white beside the picture.
    """
    shrink = picture.shape[0] > side
    method = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    tile = cv2.resize(picture, (side, side), interpolation=method)
    tile = tile if tile.ndim == 3 else cv2.cvtColor(tile, cv2.COLOR_GRAY2RGB)
    canvas = np.full((side + _TEXT_PX, side + 2 * _GAP_PX, 3), _GAP_GRAY, dtype=np.uint8)
    canvas[_TEXT_PX:, _GAP_PX : _GAP_PX + side] = tile
    line = elided(drawable(caption), _TEXT_SIZE, side)
    if line:
        blend(canvas, text_sprite(line, _TEXT_SIZE, _TEXT_PX, INK), _GAP_PX, 0)
    return canvas


def encode_picture(image: UInt8Array, suffix: str = ".png") -> bytes:
    """(H, W) gray or (H, W, 3) RGB uint8 as a picture file, a PNG unless a suffix says otherwise.

    Encoded in memory, because OpenCV's writing reports a failure without its reason.

    Raises:
        OutputError: OpenCV cannot write such files.
    """
    picture = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    try:
        ok, encoded = cv2.imencode(suffix, picture, _ENCODING.get(suffix, ()))
    except cv2.error:
        ok = False
    if not ok:
        raise OutputError(f"cannot encode a picture as {suffix}")
    return bytes(encoded)


def write_png(image: UInt8Array, path: Path) -> None:
    """Writes (H, W) gray or (H, W, 3) RGB uint8 as PNG.

    Raises:
        OutputError: the file cannot be written; no half of one stays.
    """
    try:
        path.write_bytes(encode_picture(image))
    except OSError as error:
        if os.path.isfile(path) and not os.path.islink(path):
            path.unlink()
        raise OutputError(f"{path}: cannot write the picture: {error.strerror}") from error


def write_sheet(pictures: UInt8Array, path: Path, columns: int = 8) -> None:
    """Writes (N, H, W) uint8 pictures as one PNG.

    Raises:
        OutputError: the file cannot be written.
    """
    write_png(sheet(pictures, columns), path)
