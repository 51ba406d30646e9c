"""HEIF and AVIF pictures: which items make up the picture, and how it is turned.

Phones store a large picture as a grid of small ones. FFmpeg gives each tile as a stream of its own
(the stream's number is the item's), and PyAV does not show how they belong together, so that is
read from the file's `meta` box here. ISO/IEC 14496-12, 8.11 and ISO/IEC 23008-12, 6.
"""

from __future__ import annotations

import logging
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from streamfer.media.sources.orientation import boxes
from streamfer.media.sources.picture import Turn

_log = logging.getLogger(__name__)

_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"mif2"})
_LARGEST_META = 1 << 24
_MOST_TILES = 4096
_MIRRORS: tuple[Turn, Turn] = ((1, 0, 0, -1), (-1, 0, 0, 1))
"""`imir`: 0 exchanges top and bottom, 1 left and right."""
_COUNTER_CLOCKWISE: Turn = (0, -1, 1, 0)


@dataclass(frozen=True, slots=True)
class HeifPicture:
    """The main picture of a HEIF file."""

    item: int
    """Its number, which is that of its stream where it is one piece."""
    turn: Turn
    size_wh: tuple[int, int] | None
    """Of the grid, before it is turned, in pixels; None where the picture is one piece."""
    columns: int
    tiles: tuple[int, ...]
    """The items of the grid, row by row; empty where the picture is one piece."""


def read_heif(path: Path) -> HeifPicture | None:
    """The main picture; None where the file is of another kind, or damaged."""
    if not os.path.isfile(path):  # a pipe would be read, and block
        return None
    try:
        with path.open("rb") as file:
            return _read(file)
    except (OSError, struct.error, IndexError, KeyError, ValueError) as error:
        _log.debug("%s: no HEIF structure: %r", path, error)
        return None


def _read(file: BinaryIO) -> HeifPicture | None:
    file.seek(0, 2)
    top = {kind: (start, end) for kind, start, end in boxes(file, 0, file.tell())}
    if b"ftyp" not in top or b"meta" not in top or b"moov" in top:
        return None
    if not _is_heif(_bytes(file, top[b"ftyp"])):
        return None
    start, end = top[b"meta"]
    meta = {kind: (a, b) for kind, a, b in boxes(file, start + 4, end)}
    item = _primary_item(_bytes(file, meta[b"pitm"]))
    turn = _turn(_properties(file, meta[b"iprp"], item))
    tiles = _references(_bytes(file, meta[b"iref"]), item) if b"iref" in meta else ()
    if not tiles or _item_type(file, meta[b"iinf"], item) != b"grid":
        return HeifPicture(item, turn, None, 1, ())
    _, flags, rows, columns = struct.unpack("4B", (grid := _item_data(file, meta, item))[:4])
    size = struct.unpack_from(">2I" if flags & 1 else ">2H", grid, 4)
    if (rows + 1) * (columns + 1) != len(tiles) or len(tiles) > _MOST_TILES:
        raise ValueError("the grid does not have the tiles it claims")
    return HeifPicture(item, turn, (size[0], size[1]), columns + 1, tiles)


def _is_heif(brands: bytes) -> bool:
    return any(brands[i : i + 4] in _BRANDS for i in (0, *range(8, len(brands), 4)))


def _bytes(file: BinaryIO, span: tuple[int, int]) -> bytes:
    if span[1] - span[0] > _LARGEST_META:
        raise ValueError("a box is too large")
    file.seek(span[0])
    return file.read(span[1] - span[0])


def _primary_item(pitm: bytes) -> int:
    return int(struct.unpack_from(">I" if pitm[0] else ">H", pitm, 4)[0])


def _item_type(file: BinaryIO, iinf: tuple[int, int], item: int) -> bytes | None:
    file.seek(iinf[0])
    first = iinf[0] + (8 if file.read(1)[0] else 6)
    for kind, start, end in boxes(file, first, iinf[1]):
        entry = _bytes(file, (start, end))
        if kind == b"infe" and entry[0] >= 2:
            wide = entry[0] > 2
            if struct.unpack_from(">I" if wide else ">H", entry, 4)[0] == item:
                return entry[10:14] if wide else entry[8:12]
    return None


def _references(iref: bytes, item: int) -> tuple[int, ...]:
    """What the item is derived from (`dimg`), in order."""
    number = "I" if iref[0] else "H"
    place = 4
    while place + 8 <= len(iref):
        length, kind = struct.unpack_from(">I4s", iref, place)
        if length < 8:
            break
        source, count = struct.unpack_from(f">{number}H", iref, place + 8)
        if kind == b"dimg" and source == item:
            start = place + 8 + struct.calcsize(f">{number}H")
            return struct.unpack_from(f">{count}{number}", iref, start)
        place += length
    return ()


def _properties(file: BinaryIO, iprp: tuple[int, int], item: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of the item's properties, in their order."""
    parts = {kind: (start, end) for kind, start, end in boxes(file, *iprp)}
    known = list(boxes(file, *parts[b"ipco"]))
    for index in _associations(_bytes(file, parts[b"ipma"]), item):
        if 0 < index <= len(known):
            kind, start, end = known[index - 1]
            yield kind, _bytes(file, (start, min(end, start + 64)))


def _associations(ipma: bytes, item: int) -> Sequence[int]:
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    head = ">IB" if version else ">HB"
    place = 8
    for _ in range(count):
        owner, owned = struct.unpack_from(head, ipma, place)
        place += struct.calcsize(head)
        if owner == item:
            mask = 0x7FFF if wide else 0x7F
            entries = struct.unpack_from(f">{owned}{'H' if wide else 'B'}", ipma, place)
            return [entry & mask for entry in entries]
        place += owned * (2 if wide else 1)
    return ()


def _turn(properties: Iterator[tuple[bytes, bytes]]) -> Turn:
    turn: Turn = (1, 0, 0, 1)
    for kind, body in properties:
        if kind == b"irot":
            for _ in range(body[0] & 3):
                turn = _then(turn, _COUNTER_CLOCKWISE)
        elif kind == b"imir":
            turn = _then(turn, _MIRRORS[body[0] & 1])
    return turn


def _then(first: Turn, second: Turn) -> Turn:
    a, b, c, d = first
    e, f, g, h = second
    return a * e + b * g, a * f + b * h, c * e + d * g, c * f + d * h


def _item_data(file: BinaryIO, meta: dict[bytes, tuple[int, int]], item: int) -> bytes:
    """The item's own bytes, in the file or in `idat`; those of a grid are one piece."""
    iloc = _bytes(file, meta[b"iloc"])
    version = iloc[0]
    offset_size, length_size = iloc[4] >> 4, iloc[4] & 15
    base_size, index_size = iloc[5] >> 4, (iloc[5] & 15 if version else 0)
    place = 6

    def take(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(iloc[place - size : place], "big")

    for _ in range(take(4 if version == 2 else 2)):
        number = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        for _ in range(take(2)):
            take(index_size)
            offset, length = base + take(offset_size), take(length_size)
            if number == item:
                start = offset + (meta[b"idat"][0] if method == 1 else 0)
                return _bytes(file, (start, start + length))
    raise ValueError("the grid's data are missing")
