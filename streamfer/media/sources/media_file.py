"""Opening local media files so that nothing but the file itself is read."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path
from typing import Any

import av

from streamfer.errors import SourceError
from streamfer.media.sources.animation import is_animated_png, is_animated_webp, webp_as_video
from streamfer.media.sources.demux import decoded
from streamfer.media.sources.hardware import accelerator
from streamfer.media.sources.named_file import missing_file_message, readable_path
from streamfer.media.sources.pipe import PipeReader

_log = logging.getLogger(__name__)

MAX_PIXELS = 1 << 28
"""Pictures of more pixels than this (16384 × 16384) are refused: a few bytes of a forged file can
claim any size, and the memory for it would be taken."""


_PLAYLIST = b"#EXTM3U"
_JPEG_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"})

WITHOUT_SEARCH = frozenset({"avi", "mpeg", "mpegts", "ogg"})
"""Formats whose PTS come out differently after a seek, clocks being reset or running over, or times
being guessed: they are read from their beginning."""


def open_media_file(path: Path, hwaccel: str | None = None) -> Any:
    """Opens a local video, audio or image file for reading.

    FFmpeg gets a descriptor of the one file and may use no protocol but that, so that a playlist,
    whatever its name says, can open neither other files nor the network, and names with `%` or `:`
    have no special meaning.

    Args:
        path: of the file.
        hwaccel: hardware that is to decode it; where that fails, or with None, the CPU does.

    Returns:
        An `av.container.InputContainer`.

    Raises:
        SourceError: it cannot be opened, or FFmpeg doesn't know the format.
    """
    shown = readable_path(path)
    descriptor = _descriptor(path)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"cannot open {shown}: it is a directory")
        if stat.S_ISREG(status.st_mode) and status.st_size == 0:
            raise SourceError(f"cannot open {shown}: it is empty")
        if stat.S_ISREG(status.st_mode) and is_animated_webp(os.pread(descriptor, 21, 0)):
            return av.open(webp_as_video(path))
        is_animation = stat.S_ISREG(status.st_mode) and is_animated_png(descriptor)
        return _open(descriptor, path, hwaccel, "apng" if is_animation else None)
    except av.error.FFmpegError as error:
        os.lseek(descriptor, 0, os.SEEK_SET)
        if os.read(descriptor, len(_PLAYLIST)) == _PLAYLIST:
            raise SourceError(
                f"cannot open {shown}: it is a playlist, which could name any file or address; give"
                " its http(s) URL, or the files that it lists"
            ) from error
        raise SourceError(
            f"cannot open {shown}: it is damaged, or no video or image that FFmpeg knows"
            f" ({error.strerror})"
        ) from error
    finally:
        os.close(descriptor)


def _descriptor(path: Path) -> int:
    """Opens a file.

    Raises:
        SourceError: it cannot be opened, or is a device.
    """
    shown = readable_path(path)
    if _is_device(path):  # opening or reading it may never end
        raise SourceError(
            f"cannot open {shown}: it is a terminal or another device; name a file, a pipe, or a"
            " camera as /dev/video0"
        )
    try:
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except FileNotFoundError as error:
        raise SourceError(missing_file_message(path)) from error
    except OSError as error:
        raise SourceError(f"cannot open {shown}: {error.strerror}") from error


def _is_device(path: Path) -> bool:
    try:
        return stat.S_ISCHR(os.stat(path).st_mode)
    except OSError:
        return False


def open_pipe(pipe: PipeReader) -> Any:
    """Opens a pipe, as `open_media_file` opens a file.

    Raises:
        SourceError: FFmpeg doesn't know the format, or the pipe was closed or interrupted.
    """
    shown = readable_path(pipe.name)
    try:
        return av.open(
            pipe,
            options={"protocol_whitelist": "", "max_pixels": str(MAX_PIXELS)},
            metadata_errors="replace",
        )
    except av.error.FFmpegError as error:
        raise SourceError(
            f"cannot open {shown}: it ends too early, or is no video or image that FFmpeg can"
            f" read from a pipe ({error.strerror})"
        ) from error


def _open(descriptor: int, path: Path, hwaccel: str | None, container: str | None) -> Any:
    """Opens a descriptor, which FFmpeg duplicates, so that ours can be closed."""
    try:
        return av.open(
            "fd:",
            format=container,
            options={
                "fd": str(descriptor),
                "protocol_whitelist": "fd",
                "max_pixels": str(MAX_PIXELS),
            },
            metadata_errors="replace",  # titles in old encodings are no reason to refuse a video
            hwaccel=accelerator(hwaccel),
        )
    except (av.error.FFmpegError, NotImplementedError, RuntimeError) as error:
        if hwaccel is None:
            raise
        opened = _open(descriptor, path, None, container)
        _log.warning("%s is decoded on the CPU: %s fails with %s", path, hwaccel, error)
        return opened


def is_playable(path: Path) -> bool:
    """Whether a file holds at least one picture; what is no file, such as a device, may."""
    if not os.path.isfile(path):
        return True
    try:
        with open_media_file(path) as container:
            return next(decoded(container, video_stream(container, path)), None) is not None
    except (SourceError, av.error.FFmpegError, IndexError):
        return False


def video_stream(container: Any, path: Path, wanted_id: int | None = None) -> Any:
    """The main video stream; cover pictures of audio files don't count.

    Args:
        container: of the file.
        path: of the file.
        wanted_id: number of the stream to take where the file has it.

    Raises:
        SourceError: there is none, or FFmpeg has no decoder for it.
    """
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & av.stream.Disposition.attached_pic
    ]
    if not streams:
        raise SourceError(f"cannot use {readable_path(path)}: it has no video")
    wanted = [stream for stream in streams if stream.id == wanted_id]
    stream = max(wanted or streams, key=_preference)
    if stream.codec_context is None:
        raise SourceError(
            f"cannot decode {readable_path(path)}: FFmpeg has no decoder for its video"
        )
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def is_known_sound(stream: Any) -> bool:
    """Whether FFmpeg knows how an audio stream is played: not one that is declared and silent, or
    in a format that it has no decoder for."""
    context = stream.codec_context
    return context is not None and context.sample_rate > 0 and context.layout.nb_channels > 0


def is_image(path: Path, format_name: str) -> bool:
    """Whether a file is one picture; JPEGs one behind the other may be recorded video."""
    if not os.path.isfile(path):
        return False
    if format_name == "mjpeg":
        return path.suffix.lower() in _JPEG_SUFFIXES
    return format_name.endswith("_pipe") and path.suffix.lower() not in (".mjpg", ".mjpeg")


def declared_duration_s(container: Any, stream: Any) -> float | None:
    """How long a stream is said to be, in seconds; None where nothing says it."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None


def _preference(stream: Any) -> tuple[bool, int]:
    is_default = bool(stream.disposition & av.stream.Disposition.default)
    context = stream.codec_context
    return is_default, context.width * context.height if context is not None else 0
