"""The encoders of annotated video: their settings, and what they and the containers can do."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.output_path import reason
from streamfer.media.video.container import CONTAINERS
from streamfer.media.video.priority import ordinary_priority

_SINGLE_THREAD_PX = 1280 * 720
"""Up to this size one thread encodes faster than any analysis, and costs a tenth less in all."""
_BITS_PER_PIXEL = 0.12
"""Bit rate for encoders that know no constant quality."""

_LIBX264_PRESET = "superfast"
"""Measured at 640×360: 2.6 core-ms per frame against 3.7 with `veryfast`, files 1.3 times as
large; `ultrafast` saves one more ms and doubles them."""
_QUALITY_OPTIONS: dict[str, str] = {
    "libx264": "crf",
    "libx265": "crf",
    "libsvtav1": "crf",
    "h264_nvenc": "cq",
    "hevc_nvenc": "cq",
    "av1_nvenc": "cq",
}
"""What each encoder calls its constant quality."""
_LARGEST_WH = {"libx264": (16384, 16384), "libsvtav1": (16384, 8704)}
"""Of a picture that an encoder takes, in pixels; what is not here takes more, or says so itself."""
_CARRIED_BY_ALL = frozenset({"h264", "hevc"})
_OTHER_ENCODERS = ("libopenh264", "h264_videotoolbox", "hevc_videotoolbox", "h264_amf", "h264_mf")
"""More that take pictures from main memory."""


@dataclass(frozen=True, slots=True)
class VideoConfig:
    """How annotated video is encoded."""

    encoder: str = "libx264"
    """FFmpeg's name: `libx264`, `h264_nvenc`, …"""
    preset: str | None = None
    """The encoder's speed preset; None: a fast one for libx264, the encoder's own for others."""
    crf: int = 20
    """Constant quality, lower is better: 0–51."""


def check_encoder(config: VideoConfig, suffix: str | None = None) -> None:
    """Opens and closes the encoder, so that a wrong setting is found before the run.

    Args:
        config: names it.
        suffix: of the file that it is for, one of CONTAINERS; None where it is for no file.

    Raises:
        ConfigError: FFmpeg lacks it, this machine cannot run it, it refuses the settings, or the
            file cannot carry what it makes.
    """
    known = [name for name in (*_QUALITY_OPTIONS, *_OTHER_ENCODERS) if _exists(name)]
    if config.encoder not in known:
        raise ConfigError(
            f"--encoder {config.encoder}: not available; this machine's FFmpeg has "
            + ", ".join(known)
        )
    context: Any = av.CodecContext.create(config.encoder, "w")
    context.width, context.height = 256, 256
    configure(context, config, Fraction(1, 25), Fraction(25))
    try:
        with ordinary_priority():
            context.open(strict=False)
    except (FFmpegError, ValueError) as error:
        raise ConfigError(
            f"--encoder {config.encoder}: does not start with preset {config.preset or 'default'} "
            f"and crf {config.crf} ({reason(error)}); FFmpeg here has {', '.join(known)}"
        ) from error
    if suffix is not None and context.codec.canonical_name not in _CARRIED_BY_ALL:
        _check_carried(config, suffix)


def _check_carried(config: VideoConfig, suffix: str) -> None:
    carrying = [other for other in CONTAINERS if _carries(other, config)]
    if suffix.lower() not in carrying:
        raise ConfigError(
            f"--encoder {config.encoder}: {suffix} cannot carry it; end the name of --output in"
            f" {' or '.join(carrying)}"
        )


def _carries(suffix: str, config: VideoConfig) -> bool:
    try:
        with av.open(io.BytesIO(), "w", format=CONTAINERS[suffix]) as container:
            context: Any = container.add_stream(config.encoder, rate=25).codec_context
            context.width, context.height = 256, 256
            configure(context, config, Fraction(1, 25), Fraction(25))
            with ordinary_priority():
                container.start_encoding()
    except (FFmpegError, ValueError):
        return False
    return True


def check_size(path: Path, encoder: str, size_wh: tuple[int, int]) -> None:
    """Finds out whether an encoder takes pictures of this width and height.

    Raises:
        OutputError: it does not.
    """
    width, height = size_wh
    most_width, most_height = _LARGEST_WH.get(encoder, size_wh)
    if width > most_width or height > most_height:
        raise OutputError(
            f"{path}: {encoder} takes pictures of up to {most_width} × {most_height} px, and this"
            f" one has {width} × {height}; --encoder libx265 takes them"
        )


def configure(context: Any, config: VideoConfig, time_base: Fraction, rate: Fraction) -> None:
    """Gives an encoder's context its settings, but for the size of its pictures."""
    context.pix_fmt = "yuv420p"
    context.time_base = time_base
    context.framerate = rate
    # Key frames are asked for by time; this bound holds where PTS crawl.
    context.gop_size = max(round(rate), 1)
    pixels = context.width * context.height
    context.thread_count = 1 if pixels <= _SINGLE_THREAD_PX else 0
    options = (
        {"forced-idr": "1"} if config.encoder.startswith(("libx26", "h264_n", "hevc_n")) else {}
    )
    preset = config.preset or (_LIBX264_PRESET if config.encoder == "libx264" else None)
    if preset is not None:
        options["preset"] = preset
    if config.encoder in _QUALITY_OPTIONS:
        options[_QUALITY_OPTIONS[config.encoder]] = str(config.crf)
    else:
        context.bit_rate = round(_BITS_PER_PIXEL * pixels * rate)
    if config.encoder == "libx264":
        options["x264-params"] = "rc-lookahead=6"
    if config.encoder == "libx265":
        options["x265-params"] = "log-level=error"  # it prints past FFmpeg's log
    if config.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # so does it, but for errors, and knows no other way
    context.options = options


def _exists(encoder: str) -> bool:
    try:
        av.Codec(encoder, "w")
    except ValueError:
        return False
    return True
