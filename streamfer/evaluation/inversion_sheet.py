"""A picture of inversion: each face, what encoder and refinement drew, and how the loss fell."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.evaluation.inverted_face import InvertedFace
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.overlay.sheet import captioned

_SIDE_PX = 160
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
    tiles = [captioned(picture, caption, _SIDE_PX) for picture, caption in columns]
    curve = loss_curve(face.history, _SIDE_PX, _SIDE_PX)
    tiles.append(captioned(curve, f"loss, {face.steps} steps, {face.seconds:.2f} s", _SIDE_PX))
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
