"""Animated WebP, which FFmpeg cannot decode, and animated PNG, which it does not always see."""

from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from streamfer.errors import SourceError
from streamfer.media.sources.named_file import readable_path

_TICK = Fraction(1, 1000)
"""WebP counts in milliseconds."""
_LARGEST = 256 << 20
"""Bytes of memory that the pictures of one animation may fill: of a megabyte come gigabytes."""
_ANIMATED = 0x02
"""Flag in the VP8X chunk."""


_PNG = b"\x89PNG\r\n\x1a\n"
_MOST_CHUNKS = 1000
"""Of a PNG that are looked through, so that a forged file does not take long."""


def is_animated_png(descriptor: int) -> bool:
    """Whether an open file is an animated PNG.

    FFmpeg tells it by the first two kilobytes, and takes it for one picture where something longer,
    such as a profile of colours, comes before the mark.
    """
    if os.pread(descriptor, len(_PNG), 0) != _PNG:
        return False
    position = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        head = os.pread(descriptor, 8, position)
        if len(head) < 8 or head[4:] in (b"acTL", b"IDAT"):
            return head[4:] == b"acTL"
        position += 12 + int.from_bytes(head[:4])
    return False


def is_animated_webp(head: bytes) -> bool:
    """Whether a file with these first 21 bytes is an animated WebP."""
    return (
        head[:4] == b"RIFF"
        and head[8:16] == b"WEBPVP8X"
        and len(head) > 20
        and bool(head[20] & _ANIMATED)
    )


def webp_as_video(path: Path) -> BinaryIO:
    """The same pictures at the same times, without loss, in a container that FFmpeg reads.

    Raises:
        SourceError: the file is damaged, claims too large a picture, or has too many for memory.
    """
    video = io.BytesIO()
    try:
        with path.open("rb") as file, av.open(video, "w", format="nut") as container:
            _copy(WebPImageFile(file), container, video, readable_path(path))
    except Image.DecompressionBombError as error:
        raise SourceError(
            f"cannot decode {readable_path(path)}: it claims more pixels than fit ({error})"
        ) from error
    except (OSError, EOFError, SyntaxError, ValueError, av.error.FFmpegError) as error:
        raise SourceError(
            f"cannot decode {readable_path(path)}: it is damaged ({error})"
        ) from error
    video.seek(0)
    return video


def _copy(
    animation: WebPImageFile,
    container: av.container.OutputContainer,
    video: io.BytesIO,
    where: str,
) -> None:
    stream = container.add_stream("png", rate=1000, options={"compression_level": "1"})
    stream.width, stream.height = animation.size
    stream.pix_fmt, stream.time_base = "rgba", _TICK
    time_ms = 0
    for number in range(animation.n_frames):
        if video.tell() > _LARGEST:
            raise SourceError(
                f"cannot decode {where}: its first {number} of {animation.n_frames} pictures fill"
                f" {_LARGEST >> 20} MB; make a video of it"
            )
        animation.seek(number)
        frame = av.VideoFrame.from_ndarray(np.asarray(animation.convert("RGBA")), format="rgba")
        frame.pts, frame.time_base = time_ms, _TICK
        frame.duration = max(1, int(animation.info.get("duration", 0)))
        time_ms += frame.duration
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
