"""Labelled faces, and what FER+'s votes make of their labels.

Tables are read by `streamfer.training.faces.tables`, class-per-folder image trees by
`streamfer.training.faces.image_tree`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.labels import LABELS, NUM_LABELS
from streamfer.training.data_summary import DataSummary, PassedOver
from streamfer.types import FloatArray, UInt8Array

NO_LABEL = -1
"""In place of a FER2013 class that is not known."""

FERPLUS_TO_LABELS: tuple[int, ...] = (4, 5, 6, 1, 3, 2, 0)
"""Column of FER+ (neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown,
not-a-face) for each name of LABELS."""

_UNNAMED = "unnamed-"
"""Begins the subject of a face that nobody is named for."""

FERPLUS_COLUMNS = 10
"""Kinds of vote."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFaces:
    """Pictures of single faces with their labels, row by row as the files had them."""

    pictures: tuple[UInt8Array, ...] = field(repr=False)
    """(H, W) uint8 gray each; not aligned."""
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) index into LABELS of the data set's own label, or NO_LABEL."""
    votes: FloatArray = field(repr=False)
    """(n, 10) float32, FER+ votes in FER+'s order; zeros where there are none."""
    names: tuple[str, ...] = field(repr=False)
    """What to call each row in a message."""
    subjects: tuple[str, ...] = field(default=(), repr=False)
    """Who is in each picture, where the layout tells of any; else empty. See `with_unnamed`."""
    mapping: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What stood for which class where they were read."""
    passed_over: tuple[PassedOver, ...] = field(default=(), repr=False)
    """What was not taken where they were read."""

    def __len__(self) -> int:
        return len(self.pictures)

    def subset(self, rows: Sequence[int] | NDArray[Any]) -> LabelledFaces:
        """The given rows, in the given order."""
        indices = np.asarray(rows, dtype=np.int64)
        return LabelledFaces(
            pictures=tuple(self.pictures[i] for i in indices),
            classes=self.classes[indices],
            votes=self.votes[indices],
            names=tuple(self.names[i] for i in indices),
            subjects=tuple(self.subjects[i] for i in indices) if self.subjects else (),
            mapping=self.mapping,
            passed_over=self.passed_over,
        )

    @property
    def summary(self) -> DataSummary:
        """Of these faces, and of what was passed over when they were read."""
        people = {subject for subject in self.subjects if not subject.startswith(_UNNAMED)}
        told = zip(self.names, self.subjects, strict=False)  # of none, where nobody is named
        return DataSummary(
            faces=len(self),
            classes=_counts(self.classes),
            votes=_counts(majority_class(self.votes)) if self.votes.any() else None,
            subjects=len(people) if self.subjects else None,
            mapping=self.mapping,
            passed_over=self.passed_over,
            unnamed=tuple(name for name, subject in told if subject.startswith(_UNNAMED)),
        )


def with_unnamed(subjects: Sequence[str | None], pictures: Sequence[UInt8Array]) -> tuple[str, ...]:
    """Who is in each picture; empty where that is known of none.

    Where nobody is named for some, each of them counts as another person: what is split by persons
    then keeps those together that are known. Copies of a picture are the same person.
    """
    if not any(subjects):
        return ()
    return tuple(
        subject or _UNNAMED + hashlib.sha256(picture.tobytes()).hexdigest()[:12]
        for subject, picture in zip(subjects, pictures, strict=True)
    )


def concatenate(parts: Sequence[LabelledFaces]) -> LabelledFaces:
    """Several sets as one."""
    pictures = tuple(picture for part in parts for picture in part.pictures)
    subjects = [s for part in parts for s in part.subjects or (None,) * len(part)]
    return LabelledFaces(
        pictures=pictures,
        classes=np.concatenate([part.classes for part in parts]),
        votes=np.concatenate([part.votes for part in parts]),
        names=tuple(name for part in parts for name in part.names),
        subjects=with_unnamed(subjects, pictures),
        mapping={code: name for part in parts for code, name in part.mapping.items()},
        passed_over=tuple(item for part in parts for item in part.passed_over),
    )


def _counts(classes: NDArray[np.int64]) -> dict[str, int]:
    return {name: int((classes == index).sum()) for index, name in enumerate(LABELS)}


def taught_expressions(faces: LabelledFaces) -> tuple[str, ...]:
    """Those of LABELS that a face has, by its own label or most of its votes."""
    seen = {*faces.classes.tolist(), *majority_class(faces.votes).tolist()}
    return tuple(name for index, name in enumerate(LABELS) if index in seen)


def vote_distribution(votes: FloatArray) -> FloatArray:
    """FER+ votes over the seven names, (n, 7) float32; rows sum to 1, or are 0 without votes.

    A single vote for a class counts as a slip and goes, as in Barsoum et al. (2016), unless
    nothing else would be left.
    """
    seven = votes[:, FERPLUS_TO_LABELS]
    cleaned = np.where(seven > 1, seven, 0)
    cleaned = np.where(cleaned.sum(axis=1, keepdims=True) > 0, cleaned, seven)
    total = cleaned.sum(axis=1, keepdims=True)
    return (cleaned / np.maximum(total, 1)).astype(np.float32)


def majority_class(votes: FloatArray) -> NDArray[np.int64]:
    """Index into LABELS of the class most voted for, (n,), or NO_LABEL.

    NO_LABEL where the maximum over all ten kinds of vote is shared or not one of the seven.
    """
    best = votes.max(axis=1, keepdims=True)
    unique = (votes == best).sum(axis=1) == 1
    to_label = np.full(FERPLUS_COLUMNS, NO_LABEL, dtype=np.int64)
    to_label[list(FERPLUS_TO_LABELS)] = np.arange(NUM_LABELS)
    return np.where(unique, to_label[votes.argmax(axis=1)], NO_LABEL)
