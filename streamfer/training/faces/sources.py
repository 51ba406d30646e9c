"""From what a user names, a file or a folder, to labelled faces."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from streamfer.errors import ConfigError
from streamfer.training.faces.data import LabelledFaces, concatenate
from streamfer.training.faces.image_tree import read_image_tree
from streamfer.training.faces.tables import csv_usages, read_fer_csv, read_fer_parquet
from streamfer.training.reading import Reading

Split = Literal["train", "validation", "test"]

SPLITS: tuple[Split, ...] = ("train", "validation", "test")

_CSV_USAGE: dict[Split, str] = {
    "train": "Training",
    "validation": "PublicTest",
    "test": "PrivateTest",
}
_PARQUET: dict[Split, tuple[str, ...]] = {
    "train": ("train*.parquet",),
    "validation": ("public*.parquet", "val*.parquet"),
    "test": ("private*.parquet", "test*.parquet"),
}
_FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid", "public_test"),
    "test": ("test", "private_test"),
}
_DEFAULT = Reading()


def splits_of(path: Path) -> tuple[Split, ...]:
    """The splits that a data set comes with; none for a `.parquet` file or a tree of classes.

    Raises:
        ConfigError: the path is missing, of an unknown kind, or a CSV file of other columns.
    """
    if os.path.isdir(path):
        if any(path.glob("*.parquet")):
            return tuple(split for split in SPLITS if _parquet_files(path, split))
        return tuple(split for split in SPLITS if _split_folder(path, split))
    if not os.path.exists(path):
        raise ConfigError(f"{path}: no such file or folder")
    if path.suffix == ".parquet":
        return ()
    if path.suffix == ".csv":
        usages = csv_usages(path)
        return tuple(split for split in SPLITS if _CSV_USAGE[split] in usages)
    raise ConfigError(f"{path}: expected a .parquet or .csv file or a folder")


def held_out_split(path: Path) -> Split:
    """The split on which what was trained is measured: the validation faces, else the test faces.

    Raises:
        ConfigError: as `splits_of`.
    """
    present = splits_of(path)
    return "test" if "test" in present and "validation" not in present else "validation"


def read_faces(path: Path, split: Split, reading: Reading = _DEFAULT) -> LabelledFaces:
    """Reads one split of a data set.

    A `.parquet` file and a tree without split folders are read whole, whatever the split.

    Args:
        path: a `.parquet` file, the original `fer2013.csv`, a folder of Parquet files, or an
            image tree, with or without `train`, `validation` and `test` folders.
        split: `validation` is FER2013's PublicTest, `test` its PrivateTest.
        reading: how.

    Raises:
        ConfigError: the path is missing, of an unknown kind, or malformed; names file and row.
    """
    present = splits_of(path)
    if os.path.isdir(path):
        if present or any(path.glob("*.parquet")):
            return _read_folder(path, split, reading)
        return read_image_tree(path, reading)
    if path.suffix == ".csv":
        return read_fer_csv(path, _CSV_USAGE[split], reading)
    return read_fer_parquet(path, reading)


def read_all_faces(path: Path, reading: Reading = _DEFAULT) -> LabelledFaces:
    """Reads a data set whole, all its splits together.

    Raises:
        ConfigError: as `read_faces`.
    """
    present = splits_of(path)
    if not present:
        return read_faces(path, "train", reading)
    return concatenate([read_faces(path, split, reading) for split in present])


def _read_folder(path: Path, split: Split, reading: Reading) -> LabelledFaces:
    if any(path.glob("*.parquet")):
        files = _parquet_files(path, split)
        if not files:
            raise ConfigError(f"{path}: no {' or '.join(_PARQUET[split])} in it")
        return concatenate([read_fer_parquet(file, reading) for file in files])
    folder = _split_folder(path, split)
    if folder is None:
        raise ConfigError(f"{path}: no {split} folder in it")
    return read_image_tree(folder, reading)


def _parquet_files(path: Path, split: Split) -> list[Path]:
    return sorted({file for pattern in _PARQUET[split] for file in path.glob(pattern)})


def _split_folder(path: Path, split: Split) -> Path | None:
    folders = {
        entry.name.lower(): entry for entry in sorted(path.iterdir()) if os.path.isdir(entry)
    }
    return next((folders[name] for name in _FOLDERS[split] if name in folders), None)
