"""From what a user names, a file or a folder, to labelled faces."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from streamfer.errors import ConfigError
from streamfer.training.faces.data import (
    LabelledFaces,
    concatenate,
    read_fer_csv,
    read_fer_parquet,
)
from streamfer.training.faces.image_tree import read_image_tree

Split = Literal["train", "validation", "test"]

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
    "validation": ("validation", "val", "valid", "public_test", "test"),
    "test": ("test", "private_test"),
}


def read_faces(path: Path, split: Split) -> LabelledFaces:
    """Reads one split of a data set.

    A `.parquet` file and a tree without split folders are read whole, whatever the split.

    Args:
        path: a `.parquet` file, the original `fer2013.csv`, a folder of Parquet files, or an
            image tree, with or without `train` and `test` folders.
        split: `validation` is FER2013's PublicTest, `test` its PrivateTest.

    Raises:
        ConfigError: the path is missing, of an unknown kind, or malformed; names file and row.
    """
    if path.is_dir():
        return _read_folder(path, split)
    if not path.exists():
        raise ConfigError(f"{path}: no such file or folder")
    if path.suffix == ".parquet":
        return read_fer_parquet(path)
    if path.suffix == ".csv":
        return read_fer_csv(path, _CSV_USAGE[split])
    raise ConfigError(f"{path}: expected a .parquet or .csv file or a folder")


def _read_folder(path: Path, split: Split) -> LabelledFaces:
    if any(path.glob("*.parquet")):
        files = sorted({f for pattern in _PARQUET[split] for f in path.glob(pattern)})
        if not files:
            raise ConfigError(f"{path}: no {' or '.join(_PARQUET[split])} in it")
        return concatenate([read_fer_parquet(file) for file in files])
    folders = {entry.name.lower(): entry for entry in sorted(path.iterdir()) if entry.is_dir()}
    if not any(name in folders for names in _FOLDERS.values() for name in names):
        return read_image_tree(path)
    for name in _FOLDERS[split]:
        if name in folders:
            return read_image_tree(folders[name])
    raise ConfigError(f"{path}: no {split} folder in it")
