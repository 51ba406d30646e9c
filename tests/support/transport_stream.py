"""MPEG transport streams taken apart."""

from __future__ import annotations

_PACKET = 188


def without_pid(content: bytes, pid: int) -> bytes:
    """A transport stream that declares a track and brings none of its packets."""
    packets = (content[begin : begin + _PACKET] for begin in range(0, len(content), _PACKET))
    return b"".join(p for p in packets if (p[1] & 0x1F) << 8 | p[2] != pid)
