"""How a file says its pictures are to be mirrored.

PyAV gives a frame's rotation safely, but an angle cannot say that a picture is mirrored. The whole
matrix is only in `frame.side_data`, and listing that frees the dictionary of an entry twice: every
picture with an ICC profile kills the process. So it is read from the file: EXIF by Pillow, which
parses it without decoding the picture and in this process (its readers check every length, and a
child process for each picture would cost more than the picture), and the track header of MP4 and
MOV here.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from streamfer.media.sources.picture import Turn

_log = logging.getLogger(__name__)

# Classes instead of `Image.open`, which warns of large pictures; those are refused elsewhere.
_READERS: dict[str, Any] = {
    "jpeg_pipe": JpegImageFile,
    "mjpeg": JpegImageFile,
    "png_pipe": PngImageFile,
    "tiff_pipe": TiffImageFile,
    "webp_pipe": WebPImageFile,
}
_ORIENTATION = 0x0112
_EXIF_MIRRORED: dict[int, Turn] = {
    2: (-1, 0, 0, 1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    7: (0, -1, -1, 0),
}
"""EXIF 2.32, 4.6.5: the orientations that mirror."""

_CONTAINERS = frozenset({b"moov", b"trak"})
_DEEPEST = 4
_MOST_BOXES = 10_000


def mirrored_turn(path: Path, format_name: str, stream_id: int) -> Turn | None:
    """How to turn and mirror a stream's pictures; None where they are not mirrored.

    Args:
        path: of the file.
        format_name: FFmpeg's name of its format.
        stream_id: the track's number in it.
    """
    if not os.path.isfile(path):  # a pipe would be read, and block
        return None
    try:
        with path.open("rb") as file:
            if format_name in _READERS:
                return _EXIF_MIRRORED.get(_exif_orientation(file, _READERS[format_name]))
            if format_name.startswith("mov,"):
                return _track_turn(file, stream_id)
    except Exception as error:  # damaged metadata fail in any way, and cost only the mirroring
        _log.debug("%s: its orientation cannot be read: %r", path, error)
    return None


def _exif_orientation(file: BinaryIO, reader: Any) -> int:
    image = reader(file)
    if isinstance(image, TiffImageFile):
        return int(image.tag_v2.get(_ORIENTATION, 1))
    exif = Image.Exif()
    # Not `image.getexif()`: it decodes a whole PNG in search of a block behind the picture.
    exif.load(image.info.get("exif", b""))
    return int(exif.get(_ORIENTATION, 1))


def _track_turn(file: BinaryIO, track: int) -> Turn | None:
    """ISO/IEC 14496-12, 8.3.2."""
    file.seek(0, 2)
    for kind, start, end in boxes(file, 0, file.tell(), _CONTAINERS):
        if kind != b"tkhd" or end - start < 84:
            continue
        file.seek(start)
        body = file.read(min(end - start, 96))
        longer = 12 if body[0] == 1 else 0
        (number,) = struct.unpack_from(">I", body, 20 if longer else 12)
        if number == track and len(body) >= 76 + longer:
            a, b, _, c, d = struct.unpack_from(">5i", body, 40 + longer)
            return _mirroring(a, b, c, d)
    return None


def _mirroring(a: int, b: int, c: int, d: int) -> Turn | None:
    if a * d - b * c >= 0:
        return None
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return (-1, 0, 0, 1) if a < 0 else (1, 0, 0, -1)
    return (0, -1, -1, 0) if b < 0 else (0, 1, 1, 0)


def boxes(
    file: BinaryIO, start: int, end: int, containers: frozenset[bytes] = frozenset()
) -> Iterator[tuple[bytes, int, int]]:
    """The boxes of an ISO file (ISO/IEC 14496-12, 4.2): kind, first byte of the body, its end.

    Args:
        file: read at the boxes' heads only.
        start: of the first box.
        end: of the last.
        containers: kinds whose boxes are given too.
    """
    open_until = [end]
    for _ in range(_MOST_BOXES):
        while open_until and start + 8 > open_until[-1]:
            start = open_until.pop()
        if not open_until:
            return
        file.seek(start)
        length, kind, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        body = start + (16 if length == 1 else 8)
        length = large if length == 1 else length or open_until[-1] - start
        if length < body - start:
            return
        stop = min(start + length, open_until[-1])
        yield kind, body, stop
        if kind in containers and len(open_until) < _DEEPEST:
            open_until.append(stop)
            start = body
        else:
            start = stop
