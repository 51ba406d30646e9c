"""The seam for one more answer per face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from streamfer.errors import ConfigError, EngineError
from streamfer.fields import FieldSpec, check_names
from streamfer.types import FaceResult, UInt8Array


class FaceHead(Protocol):
    """Says something of every face, after it has been found, aligned and classified.

    Its fields are in every format of the records, in `FaceResult.extra` and in `to_dict`. It is
    used by one thread at a time, and sees the faces of all frames of a batch together.
    """

    @property
    def name(self) -> str:
        """Unique among the heads of a run."""
        ...

    @property
    def fields(self) -> Sequence[FieldSpec]:
        """What it answers; the columns of CSV and Parquet."""
        ...

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> Sequence[Mapping[str, Any]]:
        """Answers for some faces.

        Args:
            crops: (n, S, S) uint8 gray or (n, S, S, 3) uint8 RGB aligned faces.
            faces: n, what is known of them: detection, probabilities, trust, and in `extra` the
                answers of the heads before this one.

        Returns:
            For each face its fields, by name; one that is left out, None or not finite is null in
            the records.
        """
        ...


def check_heads(heads: Sequence[FaceHead]) -> None:
    """Refuses heads that cannot go together.

    Raises:
        ConfigError: two have one name, or a field's name is taken.
    """
    names = [head.name for head in heads]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"head {name}: there are two of that name")
    check_names(head_fields(heads))


def head_fields(heads: Sequence[FaceHead]) -> tuple[FieldSpec, ...]:
    """The fields of all heads, in their order."""
    return tuple(spec for head in heads for spec in head.fields)


def read_heads(
    heads: Sequence[FaceHead], crops: UInt8Array, faces: Sequence[FaceResult]
) -> list[FaceResult]:
    """Adds the answers of all heads to what is known of some faces.

    Args:
        heads: one after the other.
        crops: (n, S, S) uint8 or (n, S, S, 3) uint8 RGB aligned faces.
        faces: n.

    Raises:
        EngineError: a head answers for another number of faces, or what it doesn't declare.
    """
    extras = [dict(face.extra) for face in faces]
    read = [replace(face, extra=extra) for face, extra in zip(faces, extras, strict=True)]
    for head in heads:
        answers = head.read(crops, read)
        if len(answers) != len(read):
            raise EngineError(f"head {head.name}: {len(answers)} answers for {len(read)} faces")
        for extra, answer in zip(extras, answers, strict=True):
            extra |= _plain(head, answer)
    return read


def _plain(head: FaceHead, answer: Mapping[str, Any]) -> dict[str, Any]:
    unknown = answer.keys() - {spec.name for spec in head.fields}
    if unknown:
        raise EngineError(f"head {head.name}: answers {min(unknown)}, which it does not declare")
    try:
        return {spec.name: spec.plain(answer.get(spec.name)) for spec in head.fields}
    except (TypeError, ValueError) as error:
        raise EngineError(f"head {head.name}: {error}") from error
