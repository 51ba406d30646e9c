"""Which video encoder `auto` means on this machine."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError

HARDWARE_ENCODERS = ("h264_nvenc", "h264_videotoolbox", "h264_amf", "h264_mf")
"""Those that take pictures from main memory, in the order in which they are tried."""
_SOFTWARE = "libx264"


@functools.cache
def best_encoder() -> str:
    """The first of the hardware's encoders that encodes a picture here, or else libx264."""
    return first_working(HARDWARE_ENCODERS, _encodes)


def first_working(names: Sequence[str], works: Callable[[str], bool]) -> str:
    """The first encoder that works, or else libx264."""
    return next((name for name in names if works(name)), _SOFTWARE)


def _encodes(name: str) -> bool:
    """Whether an encoder gives a packet of a black picture: drivers may be missing until then."""
    try:
        context: Any = av.CodecContext.create(name, "w")
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.open()
        frame = av.VideoFrame(256, 256, "yuv420p")
        frame.pts = 0
        return bool([*context.encode(frame), *context.encode(None)])
    except (FFmpegError, ValueError, OSError):
        return False
