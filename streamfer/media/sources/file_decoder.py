"""One pass over a file: demultiplexing, decoding, and telling a whole file from a cut one."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from copy import copy
from dataclasses import replace
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av

from streamfer.errors import SourceError
from streamfer.media.sources.completeness import missing_bytes
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.heif import HeifPicture, read_heif
from streamfer.media.sources.media_file import (
    WITHOUT_SEARCH,
    declared_duration_s,
    is_image,
    open_media_file,
    open_pipe,
    video_stream,
)
from streamfer.media.sources.named_file import readable_path
from streamfer.media.sources.orientation import mirrored_turn
from streamfer.media.sources.picture import DecodedPicture, RgbConverter, Turn
from streamfer.media.sources.pipe import PipeReader
from streamfer.media.sources.playback import ClipFrame
from streamfer.media.sources.sound import TravellingSound
from streamfer.media.sources.tiles import assemble
from streamfer.media.sources.timeline import Timeline, longest_gap_s

_log = logging.getLogger(__name__)

_FALLBACK_RATE = Fraction(25)
"""Frames/s where a file declares none; only matters for frames without PTS."""

_ROUNDING_S = 1e-6
"""Forgives the rounding error of a start given in seconds."""


class FileDecoder:
    """Decodes a file's video from a given second to its end, on all cores or by hardware.

    The first frame is decoded at once: a file that opens has a picture, and its true size is known.

    Args:
        path: of the file.
        start_s: seconds after its first frame; what comes before is left out.
        converter: of the stream.
        hwaccel: FFmpeg's hardware decoder; None decodes on the CPU, as does what the hardware
            cannot decode.
        pipe: what to read instead of opening the path; read once, on the CPU.
        sound: takes the audio packets of the pipe.

    Raises:
        SourceError: it cannot be opened, has no video, no frame of it can be decoded, or none
            comes after `start_s`.
    """

    def __init__(
        self,
        path: Path,
        start_s: float,
        converter: RgbConverter,
        hwaccel: str | None = None,
        pipe: PipeReader | None = None,
        sound: TravellingSound | None = None,
    ) -> None:
        self._pipe = pipe
        self._sound = sound
        self._audio: Any = None
        self._path = path
        self._shown = readable_path(path)
        self._hwaccel = hwaccel
        self._converter = converter
        self._start_s = start_s
        self._open()
        gap_s = longest_gap_s(self._container.format.name)
        self.timeline = Timeline(self.time_base, self.nominal_s, gap_s)
        """With what comes before the first frame placed on it."""
        try:
            if start_s > 0:
                self._skip()
        except BaseException:
            self.close()
            raise

    def frames(self) -> Iterator[ClipFrame]:
        """Every frame that can be decoded, in order of presentation.

        Raises:
            SourceError: reading failed, or the file ends before its declared end.
        """
        yield self.first
        yield from self._frames

    def close(self) -> None:
        """Frees the decoder and the file."""
        self._frames.close()
        # The writer still needs the stream of a sound that travels: with its last packet it goes.
        if self._audio is None:
            self._container.close()

    def _open(self) -> None:
        if self._pipe is None:
            self._container = open_media_file(self._path, self._hwaccel)
        else:
            self._container = open_pipe(self._pipe)
        self._decoded = 0
        self._damaged = 0
        self._frames = self._decode()
        try:
            self._heif = read_heif(self._path)
            self._stream = video_stream(
                self._container, self._path, self._heif.item if self._heif else None
            )
            self._prepare()
            first = next(self._frames, None)
            if first is None:
                raise SourceError(f"cannot decode {self._shown}: not one frame of it is intact")
        except BaseException:
            self.close()
            raise
        self.first = first

    def _prepare(self) -> None:
        self._describe()
        if not self._stream.codec_context.is_hwaccel:
            self._stream.thread_type = "AUTO"
        if self._sound is not None:
            self._audio = self._container.streams.best("audio")
            self._sound.begin_clock(self._container.format.name, follows_video=True)
            self._sound.stream = self._audio
        tiles = self._heif.tiles if self._heif else ()
        for stream in self._container.streams:
            wanted = stream.index == self._stream.index or stream is self._audio
            if not wanted and stream.id not in tiles:
                stream.discard = av.stream.Discard.all

    def _describe(self) -> None:
        stream = self._stream
        self._is_image = self._heif is not None or is_image(self._path, self._container.format.name)
        self._turn = self._stated_turn()
        self.time_base: Fraction = stream.time_base
        rate = stream.average_rate or stream.guessed_rate
        self.frame_rate = None if self._is_image or not rate else float(rate)
        self.nominal_s = float(1 / (rate or _FALLBACK_RATE))
        self.duration_s = declared_duration_s(self._container, stream)
        self.frame_count = self._estimated_frames(rate)

    def _stated_turn(self) -> Turn | None:
        if self._heif is not None:
            return self._heif.turn
        return mirrored_turn(self._path, self._container.format.name, self._stream.id)

    def _estimated_frames(self, rate: Fraction | None) -> int | None:
        if self._is_image:
            return 1
        if self._stream.frames:
            return int(self._stream.frames)
        if self.duration_s is None or not rate:
            return None
        return round(self.duration_s * rate) or None

    def _skip(self) -> None:
        """Goes on at the first frame at `start_s` or later, counted from the file's first one."""
        timeline = self.timeline
        begin_pts = None if self._pipe is not None else self._seek(timeline)
        if begin_pts is None and self._pipe is None:
            self.close()
            self._open()
        for number, frame in enumerate(chain((self.first,), self._frames)):
            before = copy(timeline)
            if timeline.place(frame.pts).time_s >= self._start_s - _ROUNDING_S:
                skipped = number if begin_pts is None else self._count(begin_pts, frame.pts)
                self.first = replace(frame, skipped=skipped)
                self.timeline = before
                return
        raise SourceError(f"nothing to play in {self._shown}: it ends before {self._start_s:g} s")

    def _count(self, begin_pts: int, end_pts: int | None) -> int:
        """How many frames the file has from one time up to another, as its packets say."""
        if end_pts is None:
            return 0
        number = 0
        with open_media_file(self._path) as container:
            stream = video_stream(container, self._path)
            for packet in demuxed(container, stream):
                if packet.dts is not None and packet.dts > end_pts:
                    break
                shown = packet.size and not packet.is_discard and packet.pts is not None
                number += bool(shown and begin_pts <= packet.pts < end_pts)
        return number

    def _seek(self, timeline: Timeline) -> int | None:
        """Goes to the last key frame before `start_s`.

        Returns:
            The PTS of the file's first frame; None where that cannot be done exactly.
        """
        origin_pts = self.first.pts
        if origin_pts is None or self._container.format.name in WITHOUT_SEARCH:
            return None
        wanted_pts = origin_pts + int(self._start_s / self.time_base)
        self._frames.close()
        try:
            self._container.seek(wanted_pts, stream=self._stream)
        except av.error.FFmpegError:
            return None
        self._decoded = 0
        self._frames = self._decode()
        key_frame = next(self._frames, None)
        if key_frame is None or key_frame.pts is None or key_frame.pts > wanted_pts:
            return None
        self.first = key_frame
        timeline.place(origin_pts)
        return int(origin_pts)

    def _decode(self) -> Generator[ClipFrame, None, None]:
        if self._heif is not None and self._heif.tiles:
            yield self._clip_frame(self._assembled(self._heif))
            return
        for packet in self._packets():
            for frame in self._decode_packet(packet):
                self._decoded += 1
                yield self._clip_frame(frame)
            if self._is_image and self._decoded:
                break  # a JPEG may carry further ones: gain map, depth, preview
        if self._damaged:
            _log.warning("%s: %d damaged packets left out", self._path, self._damaged)
        if self._decoded:
            self._check_complete()

    def _assembled(self, picture: HeifPicture) -> av.VideoFrame:
        try:
            return assemble(self._container, picture, self._converter)
        except SourceError as error:
            raise SourceError(f"cannot decode {self._shown}: {error}") from error

    def _packets(self) -> Iterator[Any]:
        """All packets; at last an empty one, which makes the decoder give what it holds back."""
        try:
            for packet in demuxed(self._container, *self._wanted()):
                if packet.stream is self._stream:
                    yield packet
                elif self._sound is not None and packet.size:
                    self._sound.put(packet)
            if self._sound is not None:
                self._sound.ended = True
        except av.error.FFmpegError as error:
            yield None
            raise SourceError(
                f"{self._shown} cannot be read on after frame {self._decoded}: {error.strerror}"
            ) from error

    def _wanted(self) -> list[Any]:
        return [self._stream] if self._audio is None else [self._stream, self._audio]

    def _decode_packet(self, packet: Any) -> list[Any]:
        try:
            return self._stream.decode(packet)
        except av.error.FFmpegError:
            self._damaged += 1
            return []

    def _clip_frame(self, frame: Any) -> ClipFrame:
        aspect = self._stream.sample_aspect_ratio
        return ClipFrame(
            pts=frame.pts,
            duration_s=float(frame.duration * self.time_base) or self.nominal_s,
            picture=DecodedPicture(frame, self._converter, aspect, self._turn),
        )

    def _check_complete(self) -> None:
        missing = missing_bytes(self._path) if self._pipe is None else 0
        declared = self._stream.frames
        if not missing or (self._start_s == 0 and 0 < declared <= self._decoded):
            return
        where = f"after frame {self._decoded}" + (f" of {declared}" if declared else "")
        if self._start_s > 0:
            where = f"{self._decoded} frames after the key frame before {self._start_s:g} s"
        raise SourceError(
            f"{self._shown} is cut off {where}: its end, at least {missing} bytes, is missing"
        )
