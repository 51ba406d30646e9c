from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from streamfer.media.video.writer import VideoWriter
from streamfer.types import StreamInfo, UInt8Array
from tests.support.analysed import make_frame
from tests.support.clips import numbered_picture

CONTAINERS = (".mp4", ".mov", ".mkv")


def info(live: bool = False, frame_rate: float | None = 25.0) -> StreamInfo:
    return StreamInfo("talk", "talk.mp4", 96, 64, live, frame_rate)


def boxes(path: Path) -> list[str]:
    """Names of the outermost boxes of an MP4."""
    content, names, at = path.read_bytes(), [], 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 4], "big")
        names.append(content[at + 4 : at + 8].decode())
        at += size
    return names


def write_pictures(
    path: Path,
    count: int = 30,
    size: tuple[int, int] = (96, 64),
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 25),
    **settings: Any,
) -> VideoWriter:
    """Writes numbered pictures and closes the writer."""
    with closing(VideoWriter(path, settings.pop("info", info()), **settings)) as writer:
        for index in range(count):
            frame = make_frame(index, pts=pts[index] if pts else index, time_base=time_base)
            writer.write(frame, numbered_picture(index, size))
    return writer


def decoded(path: Path) -> list[tuple[Fraction, UInt8Array]]:
    with av.open(str(path)) as container:
        return [
            (frame.pts * frame.time_base, frame.to_ndarray(format="rgb24"))
            for frame in container.decode(video=0)
        ]


def has_b_frames(path: Path) -> bool:
    with av.open(str(path)) as container:
        pts = [packet.pts for packet in container.demux(video=0) if packet.size]
    return pts != sorted(pts)
