"""Edits of faces' codes, and what came of them in pictures and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from streamfer.errors import ConfigError
from streamfer.evaluation.edit_pace import paced, paces
from streamfer.evaluation.editor import Editor
from streamfer.labels import LABELS
from streamfer.models.directions import Directions
from streamfer.types import FloatArray, UInt8Array

Kind = Literal["direction", "morph", "transfer", "mix"]
COARSE_LAYERS = 4
"""Style mixing takes these first layers (up to 8 × 8 px) from one face, the others from the other.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Edit:
    """What is done to a code."""

    kind: Kind
    strengths: tuple[float, ...]
    """In standard deviations along a direction; else 0 (this face) to 1 (the other)."""
    direction: str = ""
    """Its name, of a `direction`."""
    own_vector: FloatArray | None = field(default=None, repr=False)
    """(num_ws, w_dim): a direction that no file has."""

    @property
    def label(self) -> str:
        """What it is called in file names."""
        return self.direction or self.kind

    @property
    def emotion(self) -> str | None:
        """The expression that is wanted, where it is one."""
        return self.direction if self.direction in LABELS else None

    def moved(
        self,
        code: FloatArray,
        strength: float,
        directions: Directions,
        shown: FloatArray,
        other: FloatArray | None = None,
        pace: float = 1.0,
    ) -> FloatArray:
        """The edited code.

        Args:
            code: (num_ws, w_dim).
            strength: see `strengths`.
            directions: of the generator.
            shown: (7,) probabilities of the expressions that the face shows; see
                `Directions.towards`.
            other: the other face's code, where the edit needs one.
            pace: how far this face goes for one unit towards an expression; see `paces`.

        Raises:
            ConfigError: the direction does not exist, or codes do not fit.
        """
        if self.kind == "direction":
            if self.own_vector is not None:
                return (code + np.float32(strength) * self.own_vector).astype(np.float32)
            gone = float(paced(np.array(strength, np.float32), pace))
            return directions.moved(code, self.direction, gone, shown)
        if other is None:
            raise ConfigError(f"--{self.kind} needs another face")
        if self.kind == "transfer":
            difference = in_span(other - code, directions)
        else:
            difference = other - code
            if self.kind == "mix":
                difference[:COARSE_LAYERS] = 0
        return (code + np.float32(strength) * difference).astype(np.float32)


def in_span(difference: FloatArray, directions: Directions) -> FloatArray:
    """The part of a difference of codes that lies in the span of the seven expressions.

    Args:
        difference: (num_ws, w_dim).
        directions: of the generator.
    """
    rows = np.stack([directions.vector(name) for name in LABELS]).reshape(len(LABELS), -1)
    # The seven may depend on each other: those that add nothing are left out.
    _, sizes, basis = np.linalg.svd(rows, full_matrices=False)
    basis = basis[sizes > 1e-3 * sizes[0]]
    return (basis.T @ (basis @ difference.ravel())).reshape(difference.shape)


@dataclass(frozen=True, slots=True, eq=False)
class EditedStep:
    """A face at one strength."""

    strength: float
    file: str
    after: UInt8Array = field(repr=False)
    probs: FloatArray = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class EditedFace:
    """A face at all strengths."""

    name: str
    edit: Edit
    crop: UInt8Array = field(repr=False)
    before: UInt8Array = field(repr=False)
    """The reconstruction, at strength 0."""
    before_file: str
    probs_before: FloatArray = field(repr=False)
    pace: float
    """How far it went for one unit towards an expression; see `paces`."""
    steps: tuple[EditedStep, ...] = field(repr=False)

    @property
    def told(self) -> str:
        """One line for people."""
        answers = ", ".join(f"{s.strength:+g} {LABELS[s.probs.argmax()]}" for s in self.steps)
        return f"{self.name}: {LABELS[self.probs_before.argmax()]}; {self.edit.label} {answers}"

    def numbers(self) -> list[dict[str, Any]]:
        """One row per strength, ready for JSON."""
        return [
            {
                "name": self.name,
                "edit": self.edit.label,
                "emotion": self.edit.emotion,
                "strength": step.strength,
                "pace": round(self.pace, 2),
                "before": self.before_file,
                "after": step.file,
                "probs_before": [round(float(p), 5) for p in self.probs_before],
                "probs_after": [round(float(p), 5) for p in step.probs],
            }
            for step in self.steps
        ]


def edit_faces(
    editor: Editor,
    directions: Directions,
    names: Sequence[str],
    crops: UInt8Array,
    codes: FloatArray,
    edit: Edit,
    other: FloatArray | None = None,
) -> list[EditedFace]:
    """Edits faces at every strength.

    Args:
        editor: draws and reads.
        directions: of its generator.
        names: of the faces.
        crops: (n, S, S) or (n, S, S, 3) uint8.
        codes: (n, num_ws, w_dim).
        edit: what to do.
        other: code of the other face, where the edit needs one.

    Raises:
        ConfigError: the direction does not exist, or codes do not fit.
    """
    before = editor.draw(codes)
    shown = editor.read(before)
    own_paces = _paces(editor, codes, edit, directions, shown)
    written = _written(edit.strengths)
    faces = []
    for row, name in enumerate(names):
        pace = float(own_paces[row])
        moved = np.stack(
            [
                edit.moved(codes[row], strength, directions, shown[row], other, pace)
                for strength in edit.strengths
            ]
        )
        files = [f"{name}.{edit.label}{text}.png" for text in written]
        steps = _steps(editor, moved, edit.strengths, files)
        before_file = f"{name}.before.png"
        faces.append(
            EditedFace(name, edit, crops[row], before[row], before_file, shown[row], pace, steps)
        )
    return faces


def _steps(
    editor: Editor, codes: FloatArray, strengths: Sequence[float], files: Sequence[str]
) -> tuple[EditedStep, ...]:
    pictures = editor.draw(codes)
    return tuple(map(EditedStep, strengths, files, pictures, editor.read(pictures)))


def _paces(
    editor: Editor, codes: FloatArray, edit: Edit, directions: Directions, shown: FloatArray
) -> FloatArray:
    if edit.emotion is None or edit.own_vector is not None:
        return np.ones(len(codes), np.float32)
    vectors = np.stack([directions.towards(edit.emotion, probs) for probs in shown])
    return paces(editor, codes, vectors, LABELS.index(edit.emotion))


def _written(strengths: Sequence[float]) -> list[str]:
    """Strengths as file names have them: with two decimals, and more where those are not enough."""
    texts = [f"{strength:+.2f}" for strength in strengths]
    return texts if len(set(texts)) == len(texts) else [f"{strength:+}" for strength in strengths]
