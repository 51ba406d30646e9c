"""Learning curves as a picture (paper A, Fig. 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from streamfer.types import UInt8Array

_WIDTH_PX, _HEIGHT_PX = 560, 360
_LEFT_PX, _RIGHT_PX, _TOP_PX, _BOTTOM_PX = 60, 20, 40, 40
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK_RGB = (34, 34, 34)
_GRID_RGB = (225, 225, 225)
_GRID_LINES = 5

Colour = tuple[int, int, int]

_PANELS: tuple[tuple[str, tuple[tuple[str, str, Colour], ...]], ...] = (
    (
        "accuracy on the validation faces",
        (
            ("accuracy_ferplus", "FER+", (0, 114, 178)),
            ("accuracy_fer2013", "FER2013", (213, 94, 0)),
        ),
    ),
    (
        "loss",
        (
            ("loss", "training, both heads", (34, 34, 34)),
            ("loss_ferplus", "FER+", (0, 114, 178)),
            ("loss_fer2013", "FER2013", (213, 94, 0)),
        ),
    ),
)
"""Title of each panel, and key, name and sRGB colour of each of its curves."""


def draw_learning_curves(rows: Sequence[Mapping[str, Any]]) -> UInt8Array:
    """Accuracy and loss over the epochs, side by side, (360, 1120, 3) uint8 RGB.

    Args:
        rows: one mapping per epoch, as the metrics file has them; at least one.
    """
    return np.concatenate([_draw_panel(title, curves, rows) for title, curves in _PANELS], axis=1)


def _draw_panel(
    title: str, curves: tuple[tuple[str, str, Colour], ...], rows: Sequence[Mapping[str, Any]]
) -> UInt8Array:
    canvas = np.full((_HEIGHT_PX, _WIDTH_PX, 3), 255, dtype=np.uint8)
    values = np.array([[row[key] for row in rows] for key, _, _ in curves], dtype=np.float64)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    high = max(high, low + 1e-3)
    _text(canvas, title, (_LEFT_PX, 24), 0.5)
    for fraction in np.linspace(0, 1, _GRID_LINES):
        y = _y(fraction)
        cv2.line(canvas, (_LEFT_PX, y), (_WIDTH_PX - _RIGHT_PX, y), _GRID_RGB, 1)
        _text(canvas, f"{low + fraction * (high - low):.3f}", (6, y + 4), 0.4)
    _text(canvas, "1", (_LEFT_PX, _HEIGHT_PX - 14), 0.4)
    _text(canvas, f"epoch {len(rows)}", (_WIDTH_PX - 90, _HEIGHT_PX - 14), 0.4)
    for index, (_, name, colour) in enumerate(curves):
        if np.isnan(values[index]).any():  # a head that is not trained
            continue
        heights = (values[index] - low) / (high - low)
        xs = np.linspace(_LEFT_PX, _WIDTH_PX - _RIGHT_PX, len(rows))
        points = [(round(x), _y(h)) for x, h in zip(xs, heights, strict=True)]
        cv2.polylines(canvas, [np.array(points, np.int32)], False, colour, 2, cv2.LINE_AA)
        cv2.circle(canvas, points[-1], 3, colour, -1, cv2.LINE_AA)
        left = _LEFT_PX + 165 * index
        cv2.line(canvas, (left, 33), (left + 18, 33), colour, 2)
        _text(canvas, name, (left + 22, 37), 0.38)
    return canvas


def _y(fraction: float) -> int:
    return round(_HEIGHT_PX - _BOTTOM_PX - fraction * (_HEIGHT_PX - _TOP_PX - _BOTTOM_PX - 8))


def _text(canvas: UInt8Array, text: str, origin: tuple[int, int], scale: float) -> None:
    cv2.putText(canvas, text, origin, _FONT, scale, _INK_RGB, 1, cv2.LINE_AA)
