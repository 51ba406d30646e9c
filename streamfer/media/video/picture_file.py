"""Annotated pictures of pictures: which files they are for, and how they are written."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import write_whole
from streamfer.media.files.output_path import check_folder, reason
from streamfer.media.sources.heif import read_heif
from streamfer.media.sources.media_file import is_image, open_media_file
from streamfer.types import UInt8Array
from streamfer.vision.overlay.sheet import encode_picture

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""What pictures are written as."""

_LARGEST_SIDE_PX = {".jpg": 65_500, ".jpeg": 65_500, ".webp": 16_383}
"""libjpeg's JPEG_MAX_DIMENSION and WebP's 14 bits; PNG holds any picture."""

_PHOTOGRAPHS = frozenset({".avif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".mpo"})


def is_picture_path(path: Path) -> bool:
    """Whether a name is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def picture_kind(path: Path) -> str:
    """The kind of file that an annotated picture of a picture is best written as.

    Its own where that can be written; JPEG for other photographs, PNG for everything else.
    """
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        return suffix[1:]
    return "jpg" if suffix in _PHOTOGRAPHS else "png"


def is_still(path: Path) -> bool | None:
    """Whether a file is one picture, and neither video nor animation; None where it is unreadable.

    Only its beginning is read, no picture is decoded.
    """
    if not os.path.isfile(path):
        # What comes out of a pipe is not known yet.
        return False if os.path.exists(path) else None
    if read_heif(path) is not None:
        return True
    try:
        with closing(open_media_file(path)) as container:
            return is_image(path, container.format.name)
    except SourceError:
        return None


def check_picture_path(path: Path) -> None:
    """Finds out before a run whether a picture can be written there.

    Raises:
        ConfigError: the suffix names no kind of picture.
        OutputError: the folder is missing, or the path is one.
    """
    if not is_picture_path(path):
        raise ConfigError(
            f"{path}: pictures are written as {', '.join(PICTURE_SUFFIXES)}; the name must end in"
            " one of them"
        )
    check_folder(path, "picture")


def write_picture(path: ClaimedPath, image: UInt8Array) -> None:
    """Writes a picture as what its name says, whole or not at all.

    What the input says of itself beside the picture (place, camera, colour profile) is left out.

    Args:
        path: claimed for it.
        image: (H, W, 3) uint8 RGB, upright.

    Raises:
        OutputError: it cannot be written, or is too large for its kind of file.
    """
    suffix = path.suffix.lower()
    height, width = image.shape[:2]
    if max(width, height) > _LARGEST_SIDE_PX.get(suffix, 1 << 31):
        raise OutputError(f"{path}: {suffix[1:]} cannot hold {width}×{height} pixels; name a .png")
    try:
        write_whole(path, encode_picture(image, suffix))
    except OSError as error:
        raise OutputError(f"{path}: cannot write the picture ({reason(error)})") from error
