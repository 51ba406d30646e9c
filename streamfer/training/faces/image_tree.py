"""Class-per-folder image trees: CK+, RAF-DB, KDEF and anything laid out like them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.faces.data import LabelledFaces, decode_picture
from streamfer.types import UInt8Array

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"}
_MAX_SIDE_PX = 256
"""Larger pictures are reduced when read: crops need 64 px, and a set must fit in memory."""

_ALIASES = {
    "anger": "angry",
    "disgusted": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
_SKIPPED = {"contempt"}
"""CK+ has it; it is none of the seven."""

_RAF_DB = dict(
    zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), strict=True)
)
_KDEF_CLASSES = {
    "AF": "fear",
    "AN": "angry",
    "DI": "disgust",
    "HA": "happy",
    "NE": "neutral",
    "SA": "sad",
    "SU": "surprise",
}
_KDEF_NAME = re.compile(r"^[AB]([FM]\d{2})(AF|AN|DI|HA|NE|SA|SU)")
"""Session, subject, expression, angle: AF01ANS.JPG."""
_CK_NAME = re.compile(r"^(S\d+)_")
"""Subject, sequence, frame: S010_004_00000017.png."""


@dataclass(frozen=True, slots=True)
class _Image:
    path: Path
    label: str
    subject: str | None


def read_image_tree(root: Path) -> LabelledFaces:
    """Reads every image below `root`, whose folder, or KDEF name, is its class.

    Folders are named as in LABELS (or `anger`, `happiness`, … as CK+ has them), or `1` to `7` as
    in RAF-DB; `contempt` is passed over. Subjects come from CK+ and KDEF file names.

    Raises:
        ConfigError: a folder is no class, an image cannot be decoded, or there is none; says
            which.
    """
    images = _list_images(root)
    if not images:
        raise ConfigError(f"{root}: no images in class folders ({', '.join(LABELS)})")
    subjects = [image.subject for image in images]
    return LabelledFaces(
        pictures=tuple(_read(image.path) for image in images),
        classes=np.array([LABELS.index(image.label) for image in images], dtype=np.int64),
        votes=np.zeros((len(images), 10), dtype=np.float32),
        names=tuple(str(image.path.relative_to(root)) for image in images),
        subjects=tuple(s for s in subjects if s) if all(subjects) else (),
    )


def _list_images(root: Path) -> list[_Image]:
    try:
        files = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    except OSError as error:
        raise ConfigError(f"{root}: cannot be listed: {error}") from error
    images = []
    for path in files:
        folder = path.parent.name.lower()
        if folder not in _SKIPPED:
            images.append(_Image(path, _label(path, folder), _subject(path.name)))
    return images


def _label(path: Path, folder: str) -> str:
    name = _ALIASES.get(folder, folder)
    if name in LABELS:
        return name
    if folder in _RAF_DB:
        return _RAF_DB[folder]
    if kdef := _KDEF_NAME.match(path.name.upper()):
        return _KDEF_CLASSES[kdef.group(2)]
    raise ConfigError(
        f"{path}: folder {path.parent.name!r} is not a class; expected one of"
        f" {', '.join(LABELS)}, or 1 to 7 as in RAF-DB"
    )


def _subject(name: str) -> str | None:
    match = _KDEF_NAME.match(name.upper()) or _CK_NAME.match(name.upper())
    return match.group(1) if match else None


def _read(path: Path) -> UInt8Array:
    try:
        encoded = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    picture = decode_picture(encoded, str(path))
    factor = _MAX_SIDE_PX / max(picture.shape)
    if factor >= 1:
        return picture
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
