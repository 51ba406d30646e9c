"""Labelled faces of known persons from Parquet: columns `image`, `label` and `person`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.errors import ConfigError
from streamfer.labels import NUM_LABELS
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.sources import Split, read_faces
from streamfer.training.faces.tables import decode_picture
from streamfer.types import UInt8Array

_COLUMNS = ("image", "label", "person")
_NUM_VOTES = 10


def read_with_persons(path: Path, split: Split = "train") -> LabelledFaces:
    """Any labelled set that `read_faces` takes, or Parquet with a `person` column.

    Raises:
        ConfigError: it is missing or malformed; names file and row.
    """
    if path.suffix == ".parquet" and path.is_file() and _names_persons(path):
        return read_persons(path)
    return read_faces(path, split)


def read_persons(path: Path) -> LabelledFaces:
    """Reads faces of known persons, labelled 0–6 in the order of LABELS.

    Raises:
        ConfigError: the file is not Parquet, lacks a column, or a row is malformed.
    """
    try:
        rows = pq.read_table(path, columns=list(_COLUMNS)).to_pylist()
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{path}: not a readable Parquet file of persons: {reason}") from error
    for number, row in enumerate(rows):
        label = row["label"]
        if not isinstance(label, int) or not 0 <= label < NUM_LABELS:
            raise ConfigError(
                f"{path}: row {number}: label {label} is not between 0 and {NUM_LABELS - 1}"
            )
    return LabelledFaces(
        pictures=tuple(_decoded(r["image"], f"{path}: row {i}") for i, r in enumerate(rows)),
        classes=np.array([row["label"] for row in rows], np.int64),
        votes=np.zeros((len(rows), _NUM_VOTES), np.float32),
        names=tuple(f"row {number}" for number in range(len(rows))),
        subjects=tuple(str(row["person"]) for row in rows),
    )


def _decoded(encoded: object, where: str) -> UInt8Array:
    picture = decode_picture(encoded)
    if picture is None:
        raise ConfigError(f"{where}: the picture cannot be decoded")
    return picture


def _names_persons(path: Path) -> bool:
    try:
        return set(_COLUMNS) <= set(pq.read_schema(path).names)
    except (OSError, pa.ArrowException):
        return False
