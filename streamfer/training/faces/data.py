"""Labelled faces from files: FER2013 with FER+ votes as Parquet, and the original fer2013.csv.

Class-per-folder image trees are read by `streamfer.training.faces.image_tree`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.labels import NUM_LABELS
from streamfer.types import FloatArray, UInt8Array

NO_LABEL = -1
"""In place of a FER2013 class that is not known."""

FERPLUS_TO_LABELS: tuple[int, ...] = (4, 5, 6, 1, 3, 2, 0)
"""Column of FER+ (neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown,
not-a-face) for each name of LABELS."""

_FERPLUS_COLUMNS = 10
_CSV_SIDE = 48
_CSV_COLUMNS = ("emotion", "pixels", "Usage")


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
    """Who is in each picture, where the layout tells; else empty."""

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
        )


def concatenate(parts: Sequence[LabelledFaces]) -> LabelledFaces:
    """Several sets as one; subjects survive only if all parts have them."""
    return LabelledFaces(
        pictures=tuple(picture for part in parts for picture in part.pictures),
        classes=np.concatenate([part.classes for part in parts]),
        votes=np.concatenate([part.votes for part in parts]),
        names=tuple(name for part in parts for name in part.names),
        subjects=tuple(s for part in parts for s in part.subjects)
        if all(part.subjects for part in parts)
        else (),
    )


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
    to_label = np.full(_FERPLUS_COLUMNS, NO_LABEL, dtype=np.int64)
    to_label[list(FERPLUS_TO_LABELS)] = np.arange(NUM_LABELS)
    return np.where(unique, to_label[votes.argmax(axis=1)], NO_LABEL)


def read_fer_parquet(path: Path) -> LabelledFaces:
    """Reads FER2013 faces with both label sets.

    Columns: `image` (an encoded picture), `fer2013_label` (0–6 in the order of LABELS),
    `ferplus_votes` (ten counts) and `name`.

    Raises:
        ConfigError: the file is not Parquet, lacks a column, or a row is malformed; says which.
    """
    columns = ["image", "fer2013_label", "ferplus_votes", "name"]
    try:
        file = pq.ParquetFile(path)
        missing = [name for name in columns if name not in file.schema_arrow.names]
        if missing:
            raise ConfigError(f"{path}: no column {', '.join(missing)}")
        rows = file.read(columns=columns).to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: not a readable Parquet file: {reason}") from error
    if not rows:
        raise ConfigError(f"{path}: no rows")
    pictures = tuple(decode_picture(row["image"], f"{path}: row {i}") for i, row in enumerate(rows))
    return LabelledFaces(
        pictures=pictures,
        classes=_classes((row["fer2013_label"] for row in rows), path),
        votes=_votes((row["ferplus_votes"] for row in rows), path),
        names=tuple(str(row["name"]) for row in rows),
    )


def read_fer_csv(path: Path, usage: str) -> LabelledFaces:
    """Reads one split of the original fer2013.csv (columns emotion, pixels, Usage).

    Args:
        path: the file.
        usage: `Training`, `PublicTest` or `PrivateTest`.

    Raises:
        ConfigError: a column is missing, a row is malformed, or the split is empty.
    """
    pictures: list[UInt8Array] = []
    classes: list[int] = []
    names: list[str] = []
    for line, row in _csv_rows(path):
        if row["Usage"] != usage:
            continue
        where = f"{path}: line {line}"
        try:
            pixels = np.array(row["pixels"].split(), dtype=np.uint8)
            label = int(row["emotion"])
        except (ValueError, OverflowError, AttributeError) as error:
            raise ConfigError(f"{where}: emotion or pixels are not numbers 0–255") from error
        if pixels.size != _CSV_SIDE * _CSV_SIDE:
            raise ConfigError(f"{where}: {pixels.size} pixels, expected {_CSV_SIDE * _CSV_SIDE}")
        if not 0 <= label < NUM_LABELS:
            raise ConfigError(f"{where}: emotion {label} is not between 0 and {NUM_LABELS - 1}")
        pictures.append(pixels.reshape(_CSV_SIDE, _CSV_SIDE))
        classes.append(label)
        names.append(f"line {line}")
    if not pictures:
        raise ConfigError(f"{path}: no rows with Usage {usage}")
    votes = np.zeros((len(pictures), _FERPLUS_COLUMNS), dtype=np.float32)
    return LabelledFaces(tuple(pictures), np.array(classes, np.int64), votes, tuple(names))


def decode_picture(encoded: object, where: str) -> UInt8Array:
    """An encoded picture as (H, W) uint8 gray.

    Raises:
        ConfigError: it cannot be decoded; the message starts with `where`.
    """
    buffer = np.frombuffer(encoded if isinstance(encoded, bytes) else b"", dtype=np.uint8)
    try:
        picture = cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE) if buffer.size else None
    except cv2.error:
        picture = None
    if picture is None:
        raise ConfigError(f"{where}: the image cannot be decoded")
    return picture


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(1 << 20)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in _CSV_COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}: no column {', '.join(missing)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a readable CSV file: {error}") from error


def _classes(labels: Iterator[Any], path: Path) -> NDArray[np.int64]:
    classes = []
    for row, label in enumerate(labels):
        if not isinstance(label, int) or not 0 <= label < NUM_LABELS:
            raise ConfigError(
                f"{path}: row {row}: fer2013_label {label} is not between 0 and {NUM_LABELS - 1}"
            )
        classes.append(label)
    return np.array(classes, dtype=np.int64)


def _votes(rows: Iterator[Any], path: Path) -> FloatArray:
    votes = []
    for row, counts in enumerate(rows):
        if not _are_counts(counts):
            raise ConfigError(f"{path}: row {row}: ferplus_votes are not ten counts: {counts}")
        votes.append(counts)
    return np.array(votes, dtype=np.float32)


def _are_counts(values: Any) -> bool:
    if not isinstance(values, list) or len(values) != _FERPLUS_COLUMNS:
        return False
    return all(isinstance(value, int) and value >= 0 for value in values)
