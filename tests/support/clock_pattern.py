"""Pictures that carry their own number, so that a test knows which one it was given, and when it
was sent."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from streamfer.types import UInt8Array

BITS = 16
"""Number bits, drawn as one row of black and white blocks; a second row repeats them inverted."""


def draw_number(number: int, width: int, height: int) -> UInt8Array:
    """(height, width, 3) uint8 RGB: a slanting gradient with the number's two rows of blocks."""
    rows, columns = np.mgrid[0:height, 0:width]
    image = np.empty((height, width, 3), np.uint8)
    image[...] = ((rows + columns + number * 2) // 2 % 256)[..., None]
    bits = np.array([(number >> bit) & 1 for bit in range(BITS)], np.uint8) * 255
    block_w, block_h = width // BITS, height // 8
    row = np.repeat(bits, block_w)
    image[:block_h, : row.size] = row[None, :, None]
    image[block_h : 2 * block_h, : row.size] = 255 - row[None, :, None]
    return image


def read_number(image: UInt8Array) -> int | None:
    """The number drawn into a picture; None where the picture is damaged."""
    height, width, _ = image.shape
    block_w, block_h = width // BITS, height // 8
    columns = np.arange(BITS) * block_w + block_w // 2
    upper = image[block_h // 2, columns, 1] > 127
    lower = image[block_h + block_h // 2, columns, 1] > 127
    if (upper == lower).any():
        return None
    return int(sum(1 << bit for bit in range(BITS) if upper[bit]))


def encode_access_units(
    path: Path,
    *,
    sizes: tuple[tuple[int, int], ...] = ((640, 360),),
    count: int = 300,
    rate: int = 15,
    gop: int | None = None,
) -> Path:
    """Writes H.264 access units, each behind its length, for the RTSP server to play in a loop.

    Args:
        path: the file to write.
        sizes: width and height in pixels; several follow each other with `count` pictures each.
        count: pictures, numbered from 0 over all sizes.
        rate: pictures per second.
        gop: pictures from key to key; half a second's worth by default.
    """
    with path.open("wb") as out:
        for part, (width, height) in enumerate(sizes):
            encoder = av.CodecContext.create("libx264", "w")
            encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
            encoder.time_base = Fraction(1, rate)
            encoder.framerate = Fraction(rate)
            encoder.options = {
                "preset": "ultrafast",
                "tune": "zerolatency",
                "g": str(gop or max(rate // 2, 1)),
                "crf": "28",
                "x264-params": "sliced-threads=0:scenecut=0:repeat-headers=1:annexb=1:aud=1",
            }
            pictures = (draw_number(part * count + i, width, height) for i in range(count))
            for i, picture in enumerate(pictures):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = i
                _write(out, encoder.encode(frame))
            _write(out, encoder.encode(None))
    return path


def _write(out, packets) -> None:
    for packet in packets:
        out.write(struct.pack("<I", packet.size))
        out.write(bytes(packet))
