"""Faces that are edited, and the strangers that they are told apart from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from streamfer.evaluation.editor import Editor, codes_for_editing
from streamfer.evaluation.outside_judge import OutsideJudge
from streamfer.types import FloatArray, UInt8Array

_BATCH = 20
"""Faces encoded at once."""


@dataclass(frozen=True, slots=True, eq=False)
class EditedSet:
    """Codes of faces that are edited, and how strangers look to the judge."""

    codes: FloatArray = field(repr=False)
    """(n, num_ws, w_dim)."""
    strangers: FloatArray = field(repr=False)
    """(m, d) embeddings of other persons, drawn by the same generator."""


def edited_set(
    editor: Editor, judge: OutsideJudge, crops: UInt8Array, strangers: UInt8Array, fit: float
) -> EditedSet:
    """Faces to edit, and strangers as the judge sees them, drawn from codes that fit as well.

    Args:
        editor: encodes, refines and draws.
        judge: from outside.
        crops: (n, R, R) uint8 aligned faces to edit.
        strangers: (m, R, R) uint8 aligned faces of others.
        fit: see `codes_for_editing`.
    """
    theirs = _codes(editor, strangers, fit)
    return EditedSet(_codes(editor, crops, fit), judge.embed(editor.draw(theirs)))


def _codes(editor: Editor, crops: UInt8Array, fit: float) -> FloatArray:
    parts = [crops[i : i + _BATCH] for i in range(0, len(crops), _BATCH)]
    return np.concatenate([codes_for_editing(editor, part, fit) for part in parts])
