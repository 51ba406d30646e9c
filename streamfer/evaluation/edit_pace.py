"""How far each face goes for one unit of strength."""

from __future__ import annotations

import numpy as np

from streamfer.evaluation.editor import Editor
from streamfer.types import FloatArray

ENOUGH = 2.0
"""Strength at which about half of the faces are read as what they are moved towards. Who is read so
sooner goes shorter ways: what a face doesn't need for its expression costs its likeness
(docs/latent-per.md)."""
SHARES = (0.9, 0.8, 0.7, 0.6, 0.5)
"""Of ENOUGH, that are tried."""


def paces(editor: Editor, codes: FloatArray, vectors: FloatArray, target: int) -> FloatArray:
    """The share of a unit of strength that each face needs.

    Args:
        editor: draws, and reads what it has drawn.
        codes: (n, num_ws, w_dim).
        vectors: (n, num_ws, w_dim) one unit of strength for each.
        target: index of the wanted expression in LABELS.

    Returns:
        (n,) float32, 0.5 to 1: the least share of ENOUGH at which a face is read as wanted; 1 for
        those that need as much or more.
    """
    found = np.ones(len(codes), np.float32)
    for share in SHARES:
        moved = codes + np.float32(ENOUGH * share) * vectors
        reached = editor.read(editor.draw(moved.astype(np.float32))).argmax(axis=1) == target
        found[reached] = share
    return found


def paced(strengths: FloatArray, pace: FloatArray | float) -> FloatArray:
    """Strengths as one face goes them: those towards an expression at its pace, others whole.

    Args:
        strengths: of any shape.
        pace: the face's, or those of faces, see `paces`.
    """
    return np.where(strengths > 0, strengths * pace, strengths).astype(np.float32)
