"""Named arrays through a pipe between two processes: a length, then an NPZ, never a pickle."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np

from streamfer.engine import Array
from streamfer.errors import EngineError

_LENGTH = struct.Struct("<Q")
_LONGEST = 1 << 30
"""Bytes; a longer message is noise on the pipe."""


def write_arrays(stream: IO[bytes], arrays: Mapping[str, Array]) -> None:
    """Sends one message.

    Raises:
        OSError: the other side is gone.
    """
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    stream.write(_LENGTH.pack(buffer.tell()))
    stream.write(buffer.getbuffer())
    stream.flush()


def read_arrays(stream: IO[bytes]) -> dict[str, Array] | None:
    """Receives one message; None where the stream ends instead.

    Raises:
        EngineError: what came is no such message.
    """
    head = _read(stream, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise EngineError(f"pipe: a message of {length} bytes is not one of ours")
    body = _read(stream, length)
    if body is None:
        return None
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise EngineError(f"pipe: unreadable message: {error}") from error


def _read(stream: IO[bytes], count: int) -> bytes | None:
    parts: list[bytes] = []
    while count:
        part = stream.read(count)
        if not part:
            return None
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
