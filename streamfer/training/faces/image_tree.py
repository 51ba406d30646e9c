"""Class-per-folder image trees: CK+, RAF-DB, KDEF and anything laid out like them."""

from __future__ import annotations

import re
from pathlib import Path

import cv2

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.face_rows import FaceRows
from streamfer.training.faces.tables import decode_picture
from streamfer.training.reading import CODINGS, Reading
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
_KDEF_NAME = re.compile(r"^[AB]([FM]\d{2})(AF|AN|DI|HA|NE|SA|SU)")
"""Session, subject, expression, angle: AF01ANS.JPG."""
_CK_NAME = re.compile(r"^(S\d+)_")
"""Subject, sequence, frame: S010_004_00000017.png."""
_DEFAULT = Reading()


def read_image_tree(root: Path, reading: Reading = _DEFAULT) -> LabelledFaces:
    """Reads every image below `root`, whose folder, or KDEF name, is its class.

    Folders are named as in LABELS, or `anger`, `happiness`, … as CK+ has them, or they are codes,
    if `reading` says whose. Images of other folders (`contempt`), and those that cannot be read,
    are passed over and counted. Subjects come from CK+ and KDEF file names, or as `reading` says.

    Raises:
        ConfigError: folders are numbers and nobody said whose, a file does not tell its subject as
            it was said to, or there is no image of the seven classes; says which.
    """
    try:
        files = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in _SUFFIXES]
    except OSError as error:
        raise ConfigError(f"{root}: cannot be listed: {error}") from error
    faces = FaceRows(root, reading)
    mapping: dict[str, str] = {}
    for path in files:
        code, label = _label(path, reading)
        name = path.relative_to(root)
        if label not in LABELS:
            faces.pass_over(str(name), f"folder {path.parent.name!r} is not a class")
            continue
        picture = _read(path)
        if picture is None:
            faces.pass_over(str(name), "the image cannot be decoded")
            continue
        mapping[code] = label
        faces.add(picture, LABELS.index(label), str(name), None, _subject(name, reading))
    return faces.finish(
        f"no images in class folders ({', '.join(LABELS)})", dict(sorted(mapping.items()))
    )


def _label(path: Path, reading: Reading) -> tuple[str, str]:
    """What stands for the class of a file, and the class.

    Raises:
        ConfigError: it is a number, and nobody said whose.
    """
    folder = path.parent.name
    codes = CODINGS[reading.coding] if reading.coding else {}
    named = _ALIASES.get(folder.lower(), folder.lower())
    kdef = _KDEF_NAME.match(path.name.upper())
    if kdef and (reading.coding == "kdef" or (reading.coding is None and named not in LABELS)):
        return kdef[2], CODINGS["kdef"][kdef[2].lower()]
    if folder.lower() in codes:
        return folder, codes[folder.lower()]
    if folder.isdecimal() and reading.coding is None:
        raise ConfigError(
            f"{path.parent}: folder {folder!r} is a number, and data sets number their classes"
            f" differently: say whose it is with --coding {'|'.join(CODINGS)}"
        )
    return folder, named


def _subject(file: Path, reading: Reading) -> str | None:
    if reading.subjects:
        return reading.subject(file)
    name = file.name.upper()
    match = _KDEF_NAME.match(name) or _CK_NAME.match(name)
    return match[1] if match else None


def _read(path: Path) -> UInt8Array | None:
    try:
        picture = decode_picture(path.read_bytes())
    except OSError:
        return None
    if picture is None:
        return None
    factor = _MAX_SIDE_PX / max(picture.shape)
    if factor >= 1:
        return picture
    # By factors, not to a size, which gives other pixels: caches go by them. Of a strip, whose
    # height would vanish, a pixel is left.
    fx, fy = (max(factor, 1 / side) for side in picture.shape[::-1])
    return cv2.resize(picture, None, fx=fx, fy=fy, interpolation=cv2.INTER_AREA)
