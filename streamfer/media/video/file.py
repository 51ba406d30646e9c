"""One video file being written: encoder, container and the audio beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
from av.error import FFmpegError
from av.video.frame import PictureType

from streamfer.errors import OutputError
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import reason
from streamfer.media.sources.media_file import is_playable
from streamfer.media.video.audio_track import AudioKind, AudioTrack, CopiedAudio, TranscodedAudio
from streamfer.media.video.caption_track import Caption, CaptionTrack
from streamfer.media.video.container import CONTAINERS, carried_time_base, container_options
from streamfer.media.video.encoder import VideoConfig, check_size, configure
from streamfer.media.video.priority import ordinary_priority
from streamfer.media.video.yuv import Rect, YuvConverter
from streamfer.types import Planes, UInt8Array

_KEYFRAME_EVERY_S = Fraction(1, 2)
"""A key frame ends a fragment, and a killed run loses what is in the last one."""
_UNTIMED = 2
"""Of so few pictures libx265 leaves the times of decoding to chance: it learns from the third how
far it reorders. They come in order."""


class VideoFile:
    """One annotated video file.

    It is fragmented while it grows, so that a killed run leaves a playable file, and becomes an
    ordinary MP4 or MOV with one index when it is closed.

    Args:
        path: where to, claimed for this run; its suffix chooses the container.
        size_wh: of the pictures, in pixels.
        time_base: of the PTS.
        frame_rate: nominal frames/s; only a hint for the encoder's rate control.
        config: encoder settings.
        audio_source: PyAV stream whose packets `write_audio` will bring, or None.
        audio_kind: how they get there; see `streamfer.media.video.audio_trial`.
        indexed: whether to build the one index; it takes about 150 bytes of memory per frame.
        captions: language of what `write_caption` will bring, see `CaptionSource`; or None.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(
        self,
        path: ClaimedPath,
        size_wh: tuple[int, int],
        time_base: Fraction,
        frame_rate: Fraction,
        config: VideoConfig,
        audio_source: Any = None,
        audio_kind: AudioKind = CopiedAudio,
        indexed: bool = True,
        captions: tuple[str, str] | None = None,
    ) -> None:
        self.path = path
        self._open = False
        check_size(path, config.encoder, size_wh)
        self._time_base = carried_time_base(time_base)
        self._frame_rate = frame_rate
        self._converter = YuvConverter(size_wh)
        self._last_pts: int | None = None
        self._pictures = 0
        self._last_keyframe_s: Fraction | None = None
        self._audio: AudioTrack | None = None
        self._captions: CaptionTrack | None = None
        self._container: Any = None
        try:
            self._start(config, indexed, audio_source, audio_kind, captions)
        except (FFmpegError, ValueError, OSError) as error:
            self.abandon()
            raise self._failure(error) from error

    @property
    def transcodes_audio(self) -> bool:
        """Whether the container could not carry the audio as it was."""
        return isinstance(self._audio, TranscodedAudio)

    @property
    def skipped_audio_packets(self) -> int:
        """Damaged audio packets left out so far."""
        return self._audio.skipped if self._audio is not None else 0

    def write(
        self,
        pts: int,
        time_base: Fraction,
        picture: UInt8Array,
        planes: Planes | None = None,
        changed: Sequence[Rect] = (),
    ) -> None:
        """Encodes one picture.

        Args:
            pts: presentation time in `time_base` units, later than the one before.
            time_base: seconds per unit; where it is the file's own, PTS are kept exactly.
            picture: (H, W, 3) uint8 RGB of the file's size; not changed afterwards.
            planes: what it was made of, where that is known.
            changed: where it has been drawn over since.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            if planes is None:
                frame = self._converter.convert(picture)
            else:
                frame = self._converter.repaint(planes, picture, changed)
            self._pictures += 1
            frame.pts = self._own_pts(pts, time_base)
            frame.time_base = self._time_base
            frame.duration = max(1, round(1 / (self._frame_rate * self._time_base)))
            if self._is_keyframe_due(frame.pts * self._time_base):
                frame.pict_type = PictureType.I
            self._container.mux(self._stream.encode(frame))
        except (FFmpegError, ValueError, OSError) as error:
            raise self._failure(error) from error

    def write_audio(self, packet: Any, offset_s: Fraction) -> None:
        """Takes one packet of the audio source, moved by some seconds.

        Raises:
            OutputError: it cannot be written.
        """
        if self._audio is None:
            return
        try:
            self._audio.write(packet, offset_s)
        except (FFmpegError, ValueError, OSError) as error:
            raise self._failure(error) from error

    def write_caption(self, caption: Caption, offset_s: Fraction) -> None:
        """Takes one caption, moved by some seconds.

        Raises:
            OutputError: it cannot be written.
        """
        if self._captions is None:
            return
        try:
            self._captions.write(caption, offset_s)
        except (FFmpegError, ValueError, OSError) as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Completes the file; closing twice is fine.

        Raises:
            OutputError: it cannot be completed; what was written so far stays playable.
        """
        if not self._open:
            return
        try:
            for packet in self._stream.encode(None):
                if self._pictures <= _UNTIMED:
                    packet.dts = packet.pts
                self._container.mux(packet)
            if self._audio is not None:
                self._audio.finish()
            self._container.close()
            self._output.close()
        except (FFmpegError, ValueError, OSError) as error:
            self.abandon()
            raise self._failure(error) from error
        self._open = False

    def abandon(self) -> None:
        """Closes the file after a failure, without a further error.

        It stays as far as it can be played; otherwise it is removed.
        """
        if not self._open:
            return
        self._open = False
        with contextlib.suppress(FFmpegError, ValueError, OSError):
            if self._container is not None:
                self._container.close()
        self._output.close()
        if not is_playable(self.path):
            self.path.unlink(missing_ok=True)

    def _start(
        self,
        config: VideoConfig,
        indexed: bool,
        audio_source: Any,
        audio: AudioKind,
        captions: tuple[str, str] | None,
    ) -> None:
        """Opens the file and writes its beginning."""
        self._output = OutputFile(self.path)
        self._open = True
        self._container = av.open(
            self._output,
            "w",
            format=CONTAINERS[self.path.suffix.lower()],
            container_options=container_options(self.path, indexed, self._time_base, audio_source),
        )
        self._stream = self._container.add_stream(config.encoder, rate=self._frame_rate)
        self._stream.time_base = self._time_base
        context = self._stream.codec_context
        context.width, context.height = self._converter.size_wh
        configure(context, config, self._time_base, self._frame_rate)
        self._converter.tag(context)
        if (
            context.codec.canonical_name == "hevc"
            and CONTAINERS[self.path.suffix.lower()] != "matroska"
        ):
            context.codec_tag = "hvc1"  # QuickTime plays no `hev1`
        if audio_source is not None:
            self._audio = audio(self._container, audio_source)
        if captions is not None:
            self._captions = CaptionTrack(self._container, captions)
        with ordinary_priority():
            self._container.start_encoding()

    def _own_pts(self, pts: int, time_base: Fraction) -> int:
        if time_base != self._time_base:
            pts = round(pts * time_base / self._time_base)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + 1)
        self._last_pts = pts
        return pts

    def _is_keyframe_due(self, time_s: Fraction) -> bool:
        last = self._last_keyframe_s
        if last is not None and time_s - last < _KEYFRAME_EVERY_S:
            return False
        self._last_keyframe_s = time_s
        return True

    def _failure(self, error: Exception) -> OutputError:
        return OutputError(f"{self.path}: cannot write the video ({reason(error)})")
