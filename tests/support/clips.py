"""Small media files made by PyAV at test time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from streamfer.types import UInt8Array

_BITS = 8
"""Blocks in a numbered picture's top row; each holds one bit of the number."""


@dataclass(frozen=True)
class ClipSpec:
    """How a clip is made. The container follows from the path's suffix."""

    frames: int = 12
    size: tuple[int, int] = (96, 64)
    """Width and height of the coded picture."""
    fps: Fraction = Fraction(25)
    pts: Sequence[int] | None = None
    """One PTS per frame in `time_base` units; None: a steady `fps`."""
    time_base: Fraction | None = None
    """Of `pts`; None: 1 / fps."""
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    container: str | None = None
    rotation: int = 0
    """Counter-clockwise degrees written as display matrix."""
    hflip: bool = False
    vflip: bool = False
    sample_aspect: Fraction | None = None
    colorspace: int | None = None
    """AVColorSpace number to tag and to convert by: 1 BT.709, 6 BT.601, 9 BT.2020."""
    color_range: int | None = None
    """AVColorRange number: 1 limited, 2 full."""
    audio: str | None = None
    """Audio encoder, such as `aac`."""
    audio_s: float | None = None
    """Seconds of audio; None: as long as the video."""
    audio_rate: int = 48_000
    options: Mapping[str, str] = field(default_factory=dict)
    """Of the video encoder."""
    container_options: Mapping[str, str] = field(default_factory=dict)


def numbered_picture(number: int, size: tuple[int, int]) -> UInt8Array:
    """(H, W, 3) uint8: the number's bits as black and white blocks in the top half, lowest bit
    leftmost; a red, a green, a blue and a gray quarter below."""
    width, height = size
    image = np.zeros((height, width, 3), dtype=np.uint8)
    columns = np.arange(width) * _BITS // width
    image[: height // 2] = np.where((number >> columns) & 1, 255, 0)[None, :, None]
    colours = np.array([[200, 30, 30], [30, 200, 30], [30, 30, 200], [128, 128, 128]], np.uint8)
    image[height // 2 :] = colours[np.arange(width) * 4 // width]
    return image


def read_number(image: UInt8Array) -> int:
    """The number in an upright `numbered_picture`, lossy or not."""
    height, width = image.shape[:2]
    columns = ((np.arange(_BITS) + 0.5) * width / _BITS).astype(int)
    bits = image[height // 4, columns].mean(axis=-1) > 127
    return int((bits * (1 << np.arange(_BITS))).sum())


def make_clip(
    path: Path, spec: ClipSpec | None = None, images: Iterable[UInt8Array] | None = None
) -> Path:
    """Writes a clip of numbered pictures, or of the given (H, W, 3) RGB images, to `path`."""
    spec = spec or ClipSpec()
    if images is None:
        images = (numbered_picture(i % (1 << _BITS), spec.size) for i in range(spec.frames))
    frames = (av.VideoFrame.from_ndarray(np.ascontiguousarray(i)) for i in images)
    return write_frames(path, spec, (_to_yuv(frame, spec) for frame in frames))


def write_frames(path: Path, spec: ClipSpec, frames: Iterable[av.VideoFrame]) -> Path:
    """Encodes ready-made frames of the spec's size and pixel format, untouched."""
    time_base = spec.time_base or 1 / spec.fps
    step = round(1 / (spec.fps * time_base))
    with av.open(
        str(path), "w", format=spec.container, container_options=dict(spec.container_options)
    ) as output:
        video = _add_video(output, spec, time_base)
        audio = (
            output.add_stream(spec.audio, rate=spec.audio_rate, layout="mono")
            if spec.audio
            else None
        )
        last = 0
        for index, frame in enumerate(frames):
            frame.pts = spec.pts[index] if spec.pts is not None else index * step
            frame.time_base = time_base
            last = max(last, frame.pts)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None:
            seconds = spec.audio_s if spec.audio_s is not None else float((last + step) * time_base)
            _write_tone(output, audio, seconds)
    return path


def _add_video(output: Any, spec: ClipSpec, time_base: Fraction) -> Any:
    options = {"preset": "ultrafast"} if spec.codec in {"libx264", "libx265"} else {}
    if spec.codec == "libx265":
        options["x265-params"] = "log-level=none:pools=1"
    stream = output.add_stream(spec.codec, rate=spec.fps, options=options | dict(spec.options))
    stream.width, stream.height = spec.size
    stream.pix_fmt = spec.pix_fmt
    stream.codec_context.time_base = time_base
    if spec.sample_aspect is not None:
        stream.codec_context.sample_aspect_ratio = spec.sample_aspect
    if spec.colorspace is not None:
        stream.codec_context.colorspace = spec.colorspace
    if spec.color_range is not None:
        stream.codec_context.color_range = spec.color_range
    if spec.rotation or spec.hflip or spec.vflip:
        stream.set_display_rotation(spec.rotation, hflip=spec.hflip, vflip=spec.vflip)
    return stream


def _to_yuv(frame: av.VideoFrame, spec: ClipSpec) -> av.VideoFrame:
    return frame.reformat(
        format=spec.pix_fmt,
        dst_colorspace=5 if spec.colorspace == 6 else spec.colorspace,
        dst_color_range=spec.color_range,
        threads=1,
    )


def _write_tone(output: Any, stream: Any, seconds: float) -> None:
    rate = stream.rate
    total = round(seconds * rate)
    wave = (np.sin(np.arange(total) * 2 * np.pi * 440 / rate) * 8000).astype(np.int16)
    for start in range(0, total, 1024):
        samples = np.ascontiguousarray(wave[None, start : start + 1024])
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        frame.pts = start
        frame.time_base = Fraction(1, rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
