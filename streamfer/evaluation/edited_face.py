"""Edits of faces' codes, and what came of them in pictures and numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from streamfer.errors import ConfigError
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
    ) -> FloatArray:
        """The edited code.

        Args:
            code: (num_ws, w_dim).
            strength: see `strengths`.
            directions: of the generator.
            shown: (7,) probabilities of the expressions that the face shows; see
                `Directions.towards`.
            other: the other face's code, where the edit needs one.

        Raises:
            ConfigError: the direction does not exist, or codes do not fit.
        """
        if self.kind == "direction":
            if self.own_vector is not None:
                return (code + np.float32(strength) * self.own_vector).astype(np.float32)
            return directions.moved(code, self.direction, strength, shown)
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
    probs_before = editor.read(before)
    strengths = _written(edit.strengths)
    faces = []
    for row, name in enumerate(names):
        code, shown = codes[row], probs_before[row]
        moved = np.stack([edit.moved(code, s, directions, shown, other) for s in edit.strengths])
        pictures = editor.draw(moved)
        probs = editor.read(pictures)
        steps = tuple(
            EditedStep(s, f"{name}.{edit.label}{written}.png", pictures[i], probs[i])
            for i, (s, written) in enumerate(zip(edit.strengths, strengths, strict=True))
        )
        faces.append(
            EditedFace(
                name=name,
                edit=edit,
                crop=crops[row],
                before=before[row],
                before_file=f"{name}.before.png",
                probs_before=probs_before[row],
                steps=steps,
            )
        )
    return faces


def _written(strengths: Sequence[float]) -> list[str]:
    """Strengths as file names have them: with two decimals, and more where those are not enough."""
    texts = [f"{strength:+.2f}" for strength in strengths]
    return texts if len(set(texts)) == len(texts) else [f"{strength:+}" for strength in strengths]
