"""Reading the packets and frames of a container to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def demuxed(container: Any, *streams: Any) -> Iterator[Any]:
    """Packets in the order of the file, at last an empty one of each stream.

    PyAV 18 trips at the very end, all packets given, where a stream turned up on the way, as it
    does at the next programme of a transport stream.

    Args:
        container: a PyAV `InputContainer`.
        streams: which of its streams; a list of them will do.

    Raises:
        FFmpegError: it cannot be read on.
    """
    try:
        yield from container.demux(*streams)
    except IndexError:
        return


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """All frames of one stream.

    Args:
        container: a PyAV `InputContainer`.
        stream: of it.

    Raises:
        FFmpegError: it cannot be read on, or a packet is damaged.
    """
    for packet in demuxed(container, stream):
        yield from packet.decode()
