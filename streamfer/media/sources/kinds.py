"""Every kind of source once: how it is written, and what can be done with it.

What the command line understands and refuses, its help and its messages follow from these records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class SourceKind(Enum):
    """How a source has to be opened."""

    FILE = "file"
    CAMERA = "camera"
    NETWORK = "network"
    SCREEN = "screen"
    FILTER = "lavfi"
    DEMO = "demo"
    OWN = "own"
    """Pictures or a source of whoever calls, from Python only."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of one kind."""

    usage: str = ""
    """How it is written, for people; empty where the command line has no such source."""
    prefix: str = ""
    """What stands before the colon; empty where it is told otherwise."""
    example: str = ""
    """A whole one, where something must follow the prefix."""
    is_clip: bool = False
    """Whether it can be played again."""
    anywhere: bool = False
    """Whether any machine of a cluster can open it."""


KINDS: Mapping[SourceKind, Kind] = {
    SourceKind.FILE: Kind("a file, a folder, - (standard input)", is_clip=True, anywhere=True),
    SourceKind.CAMERA: Kind("0 (webcam), camera:N, /dev/videoN", "camera", "camera:0"),
    SourceKind.NETWORK: Kind("rtsp(s)://…, http(s)://…, srt://…, udp://…", anywhere=True),
    SourceKind.SCREEN: Kind("screen:", "screen"),
    SourceKind.FILTER: Kind("lavfi:GRAPH", "lavfi", "lavfi:testsrc2", is_clip=True),
    SourceKind.DEMO: Kind("demo:", "demo", is_clip=True, anywhere=True),
    SourceKind.OWN: Kind(),
}

PREFIXES: Mapping[str, SourceKind] = {
    record.prefix: kind for kind, record in KINDS.items() if record.prefix
}
"""What stands before the colon → the kind."""

USAGE = ", ".join(record.usage for record in KINDS.values() if record.usage)
"""All that a source may be, for people."""


@dataclass(frozen=True, slots=True)
class Scheme:
    """One scheme of network streams."""

    protocols: str
    """FFmpeg's protocols that a stream may lead to, so that a playlist cannot read local files."""
    listens: bool = False
    """Whether this machine can wait to be called, so that no host need be named."""


SCHEMES: Mapping[str, Scheme] = {
    "rtsp": Scheme("rtsp,tcp,udp,rtp"),
    "rtsps": Scheme("rtsp,rtsps,tls,tcp,udp,rtp,srtp"),
    "http": Scheme("http,https,tls,tcp,crypto"),
    "https": Scheme("http,https,tls,tcp,crypto"),
    "srt": Scheme("srt,udp", listens=True),
    "udp": Scheme("udp", listens=True),
}
