"""Conditions of event rules, asked of one face in one frame."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from streamfer.labels import LABELS
from streamfer.types import FaceResult

FACE_COUNT = "faces"
"""The field that is of the frame: how many faces are in it."""
PLAIN_FIELDS = (*LABELS, "emotion", "trust", "score", FACE_COUNT)
"""Fields of every run: the track's probabilities and what else there is in a record."""

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


class Condition(Protocol):
    """Something that is true of a face, or false, or not known."""

    def holds(self, face: FaceResult | None, faces: int) -> bool | None:
        """Whether it is true; None where a number that it needs has not been computed.

        Args:
            face: None where the condition is of the frame alone.
            faces: in the frame.
        """
        ...

    def concerns_a_face(self) -> bool:
        """Whether it is of single faces, and not of the frame alone."""
        ...


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field held against a value."""

    field: str
    operator: str
    value: float | str

    def holds(self, face: FaceResult | None, faces: int) -> bool | None:
        """See `Condition`."""
        found = faces if self.field == FACE_COUNT else _value(face, self.field)
        return None if found is None else OPERATORS[self.operator](found, self.value)

    def concerns_a_face(self) -> bool:
        """See `Condition`."""
        return self.field != FACE_COUNT


@dataclass(frozen=True, slots=True)
class Not:
    """True where another condition is false."""

    part: Condition

    def holds(self, face: FaceResult | None, faces: int) -> bool | None:
        """See `Condition`."""
        held = self.part.holds(face, faces)
        return None if held is None else not held

    def concerns_a_face(self) -> bool:
        """See `Condition`."""
        return self.part.concerns_a_face()


@dataclass(frozen=True, slots=True)
class AllOf:
    """True where all of its parts are."""

    parts: tuple[Condition, ...]

    def holds(self, face: FaceResult | None, faces: int) -> bool | None:
        """See `Condition`."""
        answers = [part.holds(face, faces) for part in self.parts]
        return False if False in answers else None if None in answers else True

    def concerns_a_face(self) -> bool:
        """See `Condition`."""
        return any(part.concerns_a_face() for part in self.parts)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True where one of its parts is."""

    parts: tuple[Condition, ...]

    def holds(self, face: FaceResult | None, faces: int) -> bool | None:
        """See `Condition`."""
        answers = [part.holds(face, faces) for part in self.parts]
        return True if True in answers else None if None in answers else False

    def concerns_a_face(self) -> bool:
        """See `Condition`."""
        return any(part.concerns_a_face() for part in self.parts)


def _value(face: FaceResult | None, field: str) -> float | str | None:
    if face is None:
        return None
    if field in LABELS:
        return float(face.smoothed[LABELS.index(field)])
    if field == "emotion":
        return face.emotion
    if field == "trust":
        return face.trust
    if field == "score":
        return face.detection.score
    found = face.extra.get(field)
    return float(found) if isinstance(found, int | float) else None
