"""A picture of edits: one row per face, one column per strength."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.evaluation.edited_face import EditedFace
from streamfer.labels import LABELS
from streamfer.types import FloatArray, UInt8Array

_TILE_PX = 112
_GAP_PX = 4
_TEXT_PX = 18
_FONT, _FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.32
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)


def edit_sheet(faces: Sequence[EditedFace]) -> UInt8Array:
    """Each face as found, as drawn, and at every strength, with what is read from it.

    Args:
        faces: edited alike.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return np.concatenate([_row(face) for face in faces], axis=0)


def _row(face: EditedFace) -> UInt8Array:
    tiles = [_tile(face.crop, face.name), _tile(face.before, _read("drawn", face.probs_before))]
    tiles += [_tile(s.after, _read(f"{s.strength:+.2g}", s.probs)) for s in face.steps]
    return np.concatenate(tiles, axis=1)


def _read(what: str, probs: FloatArray) -> str:
    return f"{what} {LABELS[probs.argmax()]} {100 * probs.max():.0f}"


def _tile(picture: UInt8Array, caption: str) -> UInt8Array:
    shrink = picture.shape[0] > _TILE_PX
    method = cv2.INTER_AREA if shrink else cv2.INTER_CUBIC
    tile = cv2.resize(picture, (_TILE_PX, _TILE_PX), interpolation=method)
    tile = tile if tile.ndim == 3 else cv2.cvtColor(tile, cv2.COLOR_GRAY2RGB)
    canvas = np.full((_TILE_PX + _TEXT_PX, _TILE_PX + _GAP_PX, 3), _WHITE, dtype=np.uint8)
    canvas[_TEXT_PX:, :_TILE_PX] = tile
    place = (1, _TEXT_PX - 6)
    cv2.putText(canvas, fitting(caption), place, _FONT, _FONT_SCALE, _BLACK, 1, cv2.LINE_AA)
    return canvas


def fitting(caption: str) -> str:
    """A caption as far as there is room for it above a tile."""
    kept = caption
    while cv2.getTextSize(kept, _FONT, _FONT_SCALE, 1)[0][0] > _TILE_PX - 2:
        kept = kept.removesuffix("..")[:-1] + ".."
    return kept
