"""A picture of inversion: each face, what encoder and refinement drew, and how the loss fell."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.types import FloatArray, UInt8Array

_TILE_PX = 160
_GAP_PX = 8
_TEXT_PX = 22
_WHITE, _BLACK, _BLUE = (255, 255, 255), (0, 0, 0), (0, 114, 178)
"""RGB."""


def inversion_sheet(faces: Sequence[InvertedFace]) -> UInt8Array:
    """One row per face: input, encoder's and refined picture, loss curve.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    rows = [_row(face) for face in faces]
    return np.concatenate(rows, axis=0)


def _row(face: InvertedFace) -> UInt8Array:
    columns = (
        (face.input, f"{face.name}: {face.emotion_input}"),
        (face.encoder, f"encoder: {face.emotion_encoder}, MSE {face.mse_encoder:.4f}"),
        (face.refined, f"refined: {face.emotion_refined}, MSE {face.mse_refined:.4f}"),
    )
    tiles = [_captioned(_tile(picture), caption) for picture, caption in columns]
    curve = loss_curve(face.history, _TILE_PX, _TILE_PX)
    tiles.append(_captioned(curve, f"loss, {face.steps} steps, {face.seconds:.2f} s"))
    return np.concatenate(tiles, axis=1)


def loss_curve(history: FloatArray, width: int, height: int) -> UInt8Array:
    """The loss over the steps, from 0 to its largest value.

    Args:
        history: (steps + 1,) losses.
        width: of the picture in pixels.
        height: of the picture in pixels.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    canvas = np.full((height, width, 3), _WHITE, dtype=np.uint8)
    top = max(float(history.max()), 1e-12)
    x = np.linspace(0, width - 1, len(history))
    y = (1 - history / top) * (height - 1)
    points = np.stack([x, y], axis=1).round().astype(np.int32)
    cv2.polylines(canvas, [points.reshape(-1, 1, 2)], False, _BLUE, 2, cv2.LINE_AA)
    cv2.rectangle(canvas, (0, 0), (width - 1, height - 1), _BLACK, 1)
    return canvas


def _tile(picture: UInt8Array) -> UInt8Array:
    shrink = picture.shape[0] > _TILE_PX
    method = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    tile = cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=method)
    return tile if tile.ndim == 3 else cv2.cvtColor(tile, cv2.COLOR_GRAY2RGB)


def _captioned(tile: UInt8Array, caption: str) -> UInt8Array:
    height, width = tile.shape[0] + _TEXT_PX + _GAP_PX, tile.shape[1] + 2 * _GAP_PX
    canvas = np.full((height, width, 3), _WHITE, dtype=np.uint8)
    canvas[_TEXT_PX : _TEXT_PX + tile.shape[0], _GAP_PX : _GAP_PX + tile.shape[1]] = tile
    place = (_GAP_PX, _TEXT_PX - 7)
    cv2.putText(canvas, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.33, _BLACK, 1, cv2.LINE_AA)
    return canvas
