"""AVIF pictures in a grid of tiles, as phones write theirs; Pillow can read them but not write."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from streamfer.media.sources.orientation import boxes
from streamfer.types import UInt8Array


def write_grid(
    path: Path, image: UInt8Array, tile: int, quarter_turns: int = 0, mirror: int | None = None
) -> None:
    """Writes (H, W, 3) uint8 RGB in square tiles of `tile` pixels, the outer ones filled up.

    Args:
        path: where to.
        image: before it is turned.
        tile: their width and height.
        quarter_turns: counter-clockwise, done first.
        mirror: 0 exchanges top and bottom, 1 left and right; None: no mirroring.
    """
    height, width = image.shape[:2]
    rows, columns = -(-height // tile), -(-width // tile)
    padded = np.pad(
        image, ((0, rows * tile - height), (0, columns * tile - width), (0, 0)), mode="edge"
    )
    pieces = [
        _encode(padded[r * tile : (r + 1) * tile, c * tile : (c + 1) * tile])
        for r in range(rows)
        for c in range(columns)
    ]
    grid = struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, width, height)
    path.write_bytes(_file(pieces, grid, (width, height), tile, quarter_turns, mirror))


def _encode(image: UInt8Array) -> tuple[bytes, bytes, bytes]:
    """The tile's codec settings, colours and data, out of a picture that Pillow has written."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "AVIF", quality=95, subsampling="4:4:4", speed=10)
    nested = frozenset({b"iprp", b"ipco"})
    found = {}
    for kind, start, end in boxes(file, 0, len(file.getvalue())):
        found[kind] = file.getvalue()[start:end]
    inner = io.BytesIO(found[b"meta"][4:])
    for kind, start, end in boxes(inner, 0, len(inner.getvalue()), nested):
        found[kind] = inner.getvalue()[start:end]
    return found[b"av1C"], found[b"colr"], found[b"mdat"]


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _file(
    pieces: list[tuple[bytes, bytes, bytes]],
    grid: bytes,
    size_wh: tuple[int, int],
    tile: int,
    quarter_turns: int,
    mirror: int | None,
) -> bytes:
    ftyp = _box(b"ftyp", b"avif", bytes(4), b"avifmif1miaf")
    data = [grid, *(piece[2] for piece in pieces)]

    def meta(first: int) -> bytes:
        properties = _properties(pieces, size_wh, tile, quarter_turns, mirror)
        return _meta([len(each) for each in data], properties, first)

    first = len(ftyp) + len(meta(0)) + 8
    return ftyp + meta(first) + _box(b"mdat", *data)


def _properties(
    pieces: list[tuple[bytes, bytes, bytes]],
    size_wh: tuple[int, int],
    tile: int,
    quarter_turns: int,
    mirror: int | None,
) -> bytes:
    content = [
        _box(b"ispe", bytes(4), struct.pack(">2I", *size_wh)),
        _box(b"ispe", bytes(4), struct.pack(">2I", tile, tile)),
        _box(b"pixi", bytes(4), bytes([3, 8, 8, 8])),
        _box(b"colr", pieces[0][1]),
        _box(b"av1C", pieces[0][0]),
        _box(b"irot", bytes([quarter_turns])),
    ]
    whole = [1, 3, 4, 0x86]
    if mirror is not None:
        content.append(_box(b"imir", bytes([mirror])))
        whole.append(0x87)
    owned = [whole] + [[2, 3, 4, 0x85]] * len(pieces)
    entries = [struct.pack(">HB", i + 1, len(each)) + bytes(each) for i, each in enumerate(owned)]
    ipma = _box(b"ipma", bytes(4), struct.pack(">I", len(owned)), *entries)
    return _box(b"iprp", _box(b"ipco", *content), ipma)


def _meta(lengths: list[int], iprp: bytes, first: int) -> bytes:
    count = len(lengths)
    kinds = [b"grid"] + [b"av01"] * (count - 1)
    infe = [
        _box(b"infe", b"\2\0\0\0", struct.pack(">2H", i + 1, 0), kind, b"\0")
        for i, kind in enumerate(kinds)
    ]
    places = b""
    for i, length in enumerate(lengths):
        places += struct.pack(">3H2I", i + 1, 0, 1, first + sum(lengths[:i]), length)
    tiles = struct.pack(f">2H{count - 1}H", 1, count - 1, *range(2, count + 1))
    return _box(
        b"meta",
        bytes(4),
        _box(b"hdlr", bytes(8), b"pict", bytes(13)),
        _box(b"pitm", bytes(4), struct.pack(">H", 1)),
        _box(b"iloc", bytes(4), b"\x44\x00", struct.pack(">H", count), places),
        _box(b"iinf", bytes(4), struct.pack(">H", count), *infe),
        _box(b"iref", bytes(4), _box(b"dimg", tiles)),
        iprp,
    )
