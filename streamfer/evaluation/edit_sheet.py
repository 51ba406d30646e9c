"""A picture of edits: one row per face, one column per strength."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamfer.evaluation.edited_face import EditedFace
from streamfer.labels import LABELS
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.overlay.sheet import captioned

_SIDE_PX = 112


def edit_sheet(faces: Sequence[EditedFace]) -> UInt8Array:
    """Each face as found, as drawn, and at every strength, with what is read from it.

    Args:
        faces: edited alike.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    return np.concatenate([_row(face) for face in faces], axis=0)


def _row(face: EditedFace) -> UInt8Array:
    pictures = [(face.crop, face.name), (face.before, _read("drawn", face.probs_before))]
    pictures += [(s.after, _read(f"{s.strength:+.2g}", s.probs)) for s in face.steps]
    tiles = [captioned(picture, caption, _SIDE_PX) for picture, caption in pictures]
    return np.concatenate(tiles, axis=1)


def _read(what: str, probs: FloatArray) -> str:
    return f"{what} {LABELS[probs.argmax()]} {100 * probs.max():.0f}"
