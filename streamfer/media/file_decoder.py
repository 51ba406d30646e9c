"""One pass over a file: demultiplexing, decoding, and telling a whole file from a cut one."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from streamfer.errors import SourceError
from streamfer.media.completeness import missing_bytes
from streamfer.media.media_file import open_media_file, video_stream
from streamfer.media.picture import DecodedPicture, RgbConverter, without_exif
from streamfer.media.playback import ClipFrame

_log = logging.getLogger(__name__)

_FALLBACK_RATE = Fraction(25)
"""Frames/s where a file declares none; only matters for frames without PTS."""


class FileDecoder:
    """Decodes a file's video from a given second to its end, on all cores.

    The first frame is decoded at once: a file that opens has a picture, and its true size is known.

    Args:
        path: of the file.
        start_s: seconds after the file's beginning; frames before it are decoded and left out.
        converter: of the stream.

    Raises:
        SourceError: it cannot be opened, has no video, or no frame can be decoded.
    """

    def __init__(self, path: Path, start_s: float, converter: RgbConverter) -> None:
        self._path = path
        self._converter = converter
        self._decoded = 0
        self._damaged = 0
        self._container = open_media_file(path)
        try:
            self._stream = video_stream(self._container, path)
            self._is_image = self._container.format.name.endswith("_pipe")
            self._describe()
            self._discard_other_streams()
            first_pts = self._seek(start_s) if start_s > 0 else None
            self._frames = self._decode(first_pts)
            self.first = self._first_frame(start_s)
        except BaseException:
            self._container.close()
            raise

    def frames(self) -> Iterator[ClipFrame]:
        """Every frame that can be decoded, in order of presentation.

        Raises:
            SourceError: reading failed, or the file ends before its declared end.
        """
        return chain((self.first,), self._frames)

    def close(self) -> None:
        """Frees the decoder and the file."""
        self._frames.close()
        self._container.close()

    def _describe(self) -> None:
        stream = self._stream
        self.time_base: Fraction = stream.time_base
        rate = stream.average_rate or stream.guessed_rate
        self.frame_rate = None if self._is_image or not rate else float(rate)
        self.nominal_s = float(1 / (rate or _FALLBACK_RATE))
        self.duration_s = _duration_s(self._container, stream)
        self.frame_count = self._estimated_frames(rate)

    def _estimated_frames(self, rate: Fraction | None) -> int | None:
        if self._is_image:
            return 1
        if self._stream.frames:
            return int(self._stream.frames)
        if self.duration_s is None or not rate:
            return None
        return round(self.duration_s * rate)

    def _discard_other_streams(self) -> None:
        for stream in self._container.streams:
            if stream.index != self._stream.index:
                stream.discard = av.stream.Discard.all

    def _seek(self, start_s: float) -> int:
        """Goes to the last key frame before `start_s`; returns that as PTS."""
        first_pts = (self._stream.start_time or 0) + round(start_s / self.time_base)
        try:
            self._container.seek(first_pts, stream=self._stream)
        except av.error.FFmpegError:
            _log.debug("%s cannot be searched; decoding from its beginning", self._path)
        return first_pts

    def _first_frame(self, start_s: float) -> ClipFrame:
        for frame in self._frames:
            return frame
        if self._decoded:
            raise SourceError(f"nothing to play in {self._path}: it ends before {start_s:g} s")
        raise SourceError(f"cannot decode {self._path}: not one frame of it is intact")

    def _decode(self, first_pts: int | None) -> Generator[ClipFrame, None, None]:
        self._stream.thread_type = "AUTO"
        for packet in self._packets():
            for frame in self._decode_packet(packet):
                self._decoded += 1
                if first_pts is None or frame.pts is None or frame.pts >= first_pts:
                    yield self._clip_frame(frame)
        if self._damaged:
            _log.warning("%s: %d damaged packets left out", self._path, self._damaged)
        if self._decoded:
            self._check_complete()

    def _packets(self) -> Iterator[Any]:
        """All packets; at last an empty one, which makes the decoder give what it holds back."""
        try:
            yield from self._container.demux(self._stream)
        except av.error.FFmpegError as error:
            yield None
            raise SourceError(
                f"{self._path} cannot be read on after frame {self._decoded}: {error.strerror}"
            ) from error

    def _decode_packet(self, packet: Any) -> list[Any]:
        try:
            return self._stream.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError:
            self._damaged += 1
            return []

    def _clip_frame(self, frame: Any) -> ClipFrame:
        if self._is_image:
            frame = without_exif(frame)
        aspect = self._stream.sample_aspect_ratio
        return ClipFrame(
            pts=frame.pts,
            duration_s=float(frame.duration * self.time_base) or self.nominal_s,
            picture=DecodedPicture(frame, self._converter, aspect),
        )

    def _check_complete(self) -> None:
        missing = missing_bytes(self._path)
        declared = self._stream.frames
        if not missing or 0 < declared <= self._decoded:
            return
        of_declared = f" of {declared}" if declared else ""
        raise SourceError(
            f"{self._path} is cut off after frame {self._decoded}{of_declared}: its end,"
            f" at least {missing} bytes, is missing"
        )


def _duration_s(container: Any, stream: Any) -> float | None:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration is not None else None
