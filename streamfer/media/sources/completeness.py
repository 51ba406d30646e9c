"""Whether a media file is as long as its own structure says.

FFmpeg ends a cut file cleanly, and declared durations and frame counts are estimates in many
containers; but MP4/MOV, Matroska/WebM and RIFF (AVI, WebP) state sizes in bytes, and JPEG and PNG
have an end mark. A file shorter than that is cut, without doubt. Of the other containers nothing is
said: they state no length, or at most a duration that is an estimate or that of the sound.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

_BOXES = (b"mdat", b"moov", b"moof")
"""The ISO boxes that matter; bytes that some devices append are no boxes at all."""

_START_OF_SCAN = 0xDA


def missing_bytes(path: Path) -> int:
    """How many bytes the file lacks, at least; 0 where it is whole or nothing can be said."""
    if not os.path.isfile(path):  # a pipe would be read, and block
        return 0
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return max(0, _declared_end(file, size) - size)
    except OSError:
        return 0


def _declared_end(file: BinaryIO, size: int) -> int:
    head = file.read(12)
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"):
        return _end_of_boxes(file, size)
    if head[:4] == b"\x1aE\xdf\xa3":
        return _end_of_matroska(file)
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"WEBP"):
        return 8 + int(struct.unpack("<I", head[4:8])[0])
    if head[:3] == b"\xff\xd8\xff":
        return _end_of_jpeg(file, size)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return _end_of_png(file, size)
    return 0


def _end_of_boxes(file: BinaryIO, size: int) -> int:
    """ISO/IEC 14496-12, 4.2: each box states its size; 0 means to the end of the file."""
    start = 0
    while start + 8 <= size:
        file.seek(start)
        length, kind, large = struct.unpack(">I4sQ", file.read(16).ljust(16, b"\0"))
        length = large if length == 1 else length
        if length < 8:
            return 0
        start += length
        if start > size and kind not in _BOXES:
            return 0
    return start


def _end_of_matroska(file: BinaryIO) -> int:
    """RFC 8794 and 9559: the EBML header, then one Segment that holds everything else."""
    file.seek(4)
    header = _read_size(file)
    if header is None:
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != b"\x18S\x80g":
        return 0
    length = _read_size(file)
    return 0 if length is None else file.tell() + length


def _read_size(file: BinaryIO) -> int | None:
    """An EBML variable-length size; None where it is unknown, as in live recordings."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    width = 9 - first[0].bit_length()
    value = first[0] & (0xFF >> width)
    for byte in file.read(width - 1):
        value = value << 8 | byte
    return None if value == (1 << 7 * width) - 1 else value


def _end_of_jpeg(file: BinaryIO, size: int) -> int:
    """ITU-T T.81, annex B: segments with a length, then scans, in which only the end of the image
    can look like its mark. What cameras append to a whole picture doesn't matter.
    """
    file.seek(2)
    kind = 0
    while kind != _START_OF_SCAN:
        head = file.read(4)
        if len(head) == 4 and head[0] != 0xFF:
            return 0
        length = int.from_bytes(head[2:], "big")
        if file.tell() + length > size or length < 2:
            return size + 2
        kind = head[1]
        file.seek(length - 2, os.SEEK_CUR)
    return 0 if b"\xff\xd9" in file.read() else size + 2


def _end_of_png(file: BinaryIO, size: int) -> int:
    """PNG (third edition), 5.3: chunks that state their length, the last of which is IEND."""
    start = 8
    while start + 12 <= size:
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        start += 12 + length
        if kind == b"IEND":
            return 0
    return max(start, size + 1)
