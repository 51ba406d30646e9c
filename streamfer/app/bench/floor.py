"""The least that annotated video costs on this machine: decoding, RGB, encoding, nothing else."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from streamfer.app.config import RunConfig
from streamfer.app.session.outputs import video_config
from streamfer.app.session.sources import LiveReports, open_streams
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.source import PendingFrame
from streamfer.media.sources.source_list import expand_sources
from streamfer.media.video.writer import VideoWriter
from streamfer.types import Frame

_FRAMES = 240
"""Frames that are measured, at most."""
_AT_ONCE = 16
"""Frames of one step before the next step takes them, so that steps don't mix."""


@dataclass(frozen=True, slots=True)
class Floor:
    """Core-milliseconds a frame, of all threads."""

    decode: float
    convert: float
    encode: float

    @property
    def total(self) -> float:
        """All three."""
        return self.decode + self.convert + self.encode


def measure_floor(config: RunConfig, folder: Path) -> Floor:
    """Decodes, converts and encodes frames of the first source, and counts CPU time.

    Args:
        config: names it, and how video is encoded.
        folder: for the video, which is left there.

    Raises:
        ConfigError: it has no frames.
        StreamferError: it cannot be decoded or encoded.
    """
    spec = expand_sources(config.source)[0]
    config = replace(config, realtime=False, loop=1)
    (stream,) = open_streams([spec], config, LiveReports())
    seconds = [0.0, 0.0, 0.0]
    count = 0
    with closing(stream.source) as source:
        info = stream.info if stream.is_open else source.open()
        writer = VideoWriter(
            folder / "floor.mp4", info, video_config(config), claims=OutputClaims()
        )
        with closing(writer):
            for pending in _groups(source.frames(), seconds):
                began_s = time.process_time()
                frames = [_converted(each, info.stream) for each in pending]
                converted_s = time.process_time()
                for frame in frames:
                    writer.write(frame, frame.image, changed=())
                seconds[1] += converted_s - began_s
                seconds[2] += time.process_time() - converted_s
                count += len(frames)
    if not count:
        raise ConfigError("bench: the source has no frames")
    return Floor(*(each / count * 1000 for each in seconds))


def _groups(frames: Iterator[object], seconds: list[float]) -> Iterator[list[PendingFrame | Frame]]:
    """Frames, so many at once; adds what decoding them took to the first of `seconds`."""
    left = itertools.islice(frames, _FRAMES)
    while True:
        began_s = time.process_time()
        group = list(itertools.islice(left, _AT_ONCE))
        seconds[0] += time.process_time() - began_s
        if not group:
            return
        yield [each for each in group if isinstance(each, (PendingFrame, Frame))]


def _converted(frame: PendingFrame | Frame, stream: str) -> Frame:
    return frame if isinstance(frame, Frame) else frame.to_frame(stream, 0)
