"""Gathers what a reader finds, and counts what it passes over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from streamfer.errors import ConfigError
from streamfer.training.data_summary import PassedOver
from streamfer.training.faces.data import FERPLUS_COLUMNS, LabelledFaces, with_unnamed
from streamfer.training.reading import Reading
from streamfer.types import UInt8Array


class FaceRows:
    """Labelled faces, row by row.

    Args:
        where: the data, for messages.
        reading: how strictly, and by which rule it is known who is in a picture.
    """

    def __init__(self, where: Path, reading: Reading) -> None:
        self._where = where
        self._reading = reading
        self._pictures: list[UInt8Array] = []
        self._classes: list[int] = []
        self._votes: list[Sequence[int]] = []
        self._names: list[str] = []
        self._subjects: list[str | None] = []
        self._passed_over: list[PassedOver] = []

    def add(
        self,
        picture: UInt8Array,
        label: int,
        name: str,
        votes: Sequence[int] | None = None,
        subject: str | None = None,
    ) -> None:
        """Takes a face.

        Raises:
            ConfigError: the rule that was given names nobody for it.
        """
        if self._reading.subjects and not subject:
            raise ConfigError(
                f"{self._where}: {name}: --subjects {self._reading.subjects} names nobody; fill it"
                " in, or take it out of the data"
            )
        self._pictures.append(picture)
        self._classes.append(label)
        self._votes.append([0] * FERPLUS_COLUMNS if votes is None else votes)
        self._names.append(name)
        self._subjects.append(subject)

    def pass_over(self, name: str, why: str) -> None:
        """Notes what is not taken.

        Raises:
            ConfigError: nothing may be passed over.
        """
        if self._reading.strict:
            raise ConfigError(f"{self._where}: {name}: {why} (--strict)")
        self._passed_over.append(PassedOver(name, why))

    def finish(self, nothing: str, mapping: dict[str, str] | None = None) -> LabelledFaces:
        """All of them. Where nobody is named for some faces only, each counts as another person.

        Args:
            nothing: what to say where there is no face.
            mapping: what stood for which class.

        Raises:
            ConfigError: there is no face.
        """
        if not self._pictures:
            first = self._passed_over[0] if self._passed_over else None
            because = f"; {first.name}: {first.why}" if first else ""
            raise ConfigError(f"{self._where}: {nothing}{because}")
        return LabelledFaces(
            pictures=tuple(self._pictures),
            classes=np.array(self._classes, np.int64),
            votes=np.array(self._votes, np.float32),
            names=tuple(self._names),
            subjects=with_unnamed(self._subjects, self._pictures),
            mapping=mapping or {},
            passed_over=tuple(self._passed_over),
        )
