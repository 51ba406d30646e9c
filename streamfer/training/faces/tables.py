"""Labelled faces from tables: Parquet files, and the original fer2013.csv."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.errors import ConfigError
from streamfer.labels import NUM_LABELS
from streamfer.training.faces.data import FERPLUS_COLUMNS, LabelledFaces
from streamfer.training.faces.face_rows import FaceRows
from streamfer.training.reading import Reading
from streamfer.types import UInt8Array

_CSV_SIDE = 48
_CSV_COLUMNS = ("emotion", "pixels", "Usage")
_LABEL_COLUMNS = ("fer2013_label", "label")
_SUBJECT_COLUMNS = ("person", "subject")
_DEFAULT = Reading()


def read_fer_parquet(path: Path, reading: Reading = _DEFAULT) -> LabelledFaces:
    """Reads a table of faces, such as FER2013 with both label sets.

    Columns: `image` (an encoded picture), and `fer2013_label` or `label` (0–6 in the order of
    LABELS); where they are there `ferplus_votes` (ten counts), `name`, and `person` or `subject`.

    Args:
        path: the file.
        reading: strictness, and the column of the subjects if it is another.

    Raises:
        ConfigError: the file is not Parquet, lacks a column, or holds no face; says which.
    """
    try:
        file = pq.ParquetFile(path)
        columns = _columns(file.schema_arrow.names, path, reading)
        rows = file.read(columns=list(columns.values())).to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: not a readable Parquet file: {reason}") from error
    faces = FaceRows(path, reading)
    for index, row in enumerate(rows):
        _take_row(faces, {kind: row[column] for kind, column in columns.items()}, index, columns)
    return faces.finish("no rows")


def _columns(present: list[str], path: Path, reading: Reading) -> dict[str, str]:
    """Kind of column → its name in the file, of those that are there."""
    wanted = reading.subject_column
    kinds = {
        "image": ("image",),
        "label": _LABEL_COLUMNS,
        "votes": ("ferplus_votes",),
        "name": ("name",),
        "subject": (wanted,) if wanted else _SUBJECT_COLUMNS,
    }
    columns = {
        kind: name
        for kind, names in kinds.items()
        for name in [next((n for n in names if n in present), None)]
        if name is not None
    }
    needed = {"image", "label", *(("subject",) if wanted else ())}
    missing = [" or ".join(kinds[kind]) for kind in kinds if kind in needed - columns.keys()]
    if missing:
        raise ConfigError(f"{path}: no column {', '.join(missing)}")
    return columns


def _take_row(faces: FaceRows, row: dict[str, Any], index: int, columns: dict[str, str]) -> None:
    where, label, votes = f"row {index}", row["label"], row.get("votes")
    if not isinstance(label, int) or not 0 <= label < NUM_LABELS:
        faces.pass_over(where, f"{columns['label']} {label} is not between 0 and {NUM_LABELS - 1}")
        return
    if "votes" in row and not _are_counts(votes):
        faces.pass_over(where, f"ferplus_votes are not ten counts: {votes}")
        return
    picture = decode_picture(row["image"])
    if picture is None:
        faces.pass_over(where, "the image cannot be decoded")
        return
    faces.add(picture, label, str(row.get("name", where)), votes, _subject(row.get("subject")))


def _subject(value: Any) -> str | None:
    """Who is in a picture; None where the cell is empty, as of numbers it is by NaN."""
    return None if value is None or value != value else str(value)


def read_fer_csv(path: Path, usage: str | None, reading: Reading = _DEFAULT) -> LabelledFaces:
    """Reads one split of the original fer2013.csv (columns emotion, pixels, Usage).

    Args:
        path: the file.
        usage: `Training`, `PublicTest` or `PrivateTest`; None for all.
        reading: strictness, and the column of the subjects if there is one.

    Raises:
        ConfigError: a column is missing, or the split holds no face.
    """
    faces = FaceRows(path, reading)
    for line, row in _csv_rows(path, reading.subject_column):
        if usage is not None and row["Usage"] not in (usage, None):
            continue
        pixels, label = _pixels_and_label(row)
        if pixels is None or label is None:
            faces.pass_over(f"line {line}", "emotion or pixels are not numbers 0–255")
        elif pixels.size != _CSV_SIDE * _CSV_SIDE:
            expected = _CSV_SIDE * _CSV_SIDE
            faces.pass_over(f"line {line}", f"{pixels.size} pixels, expected {expected}")
        elif not 0 <= label < NUM_LABELS:
            why = f"emotion {label} is not between 0 and {NUM_LABELS - 1}"
            faces.pass_over(f"line {line}", why)
        elif row["Usage"] is None:
            faces.pass_over(f"line {line}", "it has no Usage")
        else:
            subject = row.get(reading.subject_column) if reading.subject_column else None
            faces.add(pixels.reshape(_CSV_SIDE, -1), label, f"line {line}", None, subject)
    return faces.finish("no rows" if usage is None else f"no rows with Usage {usage}")


def csv_usages(path: Path) -> set[str]:
    """The splits that a fer2013.csv has rows of.

    Raises:
        ConfigError: it is none.
    """
    return {row["Usage"] for _, row in _csv_rows(path, None) if row["Usage"]}


def decode_picture(encoded: object) -> UInt8Array | None:
    """An encoded picture as (H, W) uint8 gray; None where it cannot be decoded."""
    buffer = np.frombuffer(encoded if isinstance(encoded, bytes) else b"", dtype=np.uint8)
    try:
        return cv2.imdecode(buffer, cv2.IMREAD_GRAYSCALE) if buffer.size else None
    except cv2.error:
        return None


def _pixels_and_label(row: dict[str, Any]) -> tuple[UInt8Array | None, int | None]:
    try:
        return np.array(row["pixels"].split(), dtype=np.uint8), int(row["emotion"])
    except (ValueError, OverflowError, AttributeError, TypeError):
        return None, None


def _csv_rows(path: Path, subjects: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    csv.field_size_limit(1 << 20)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            needed = [*_CSV_COLUMNS, *([subjects] if subjects else [])]
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise ConfigError(f"{path}: no column {', '.join(missing)}")
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: not a readable CSV file: {error}") from error


def _are_counts(values: Any) -> bool:
    if not isinstance(values, list) or len(values) != FERPLUS_COLUMNS:
        return False
    return all(isinstance(value, int) and value >= 0 for value in values)
