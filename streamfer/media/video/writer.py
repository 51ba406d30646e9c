"""Writes a stream's annotated video: its own times, its own sound, one file per picture size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_path import check_folder, reason
from streamfer.media.files.series import FileSeries
from streamfer.media.sources.sound import Sound, TravellingSound
from streamfer.media.video.audio import AudioReader, AudioSpan
from streamfer.media.video.audio_track import AudioKind, CopiedAudio
from streamfer.media.video.audio_trial import audio_kind
from streamfer.media.video.caption_track import Caption, CaptionSource
from streamfer.media.video.container import CONTAINERS, longest_gap_s
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.file import VideoFile
from streamfer.media.video.rates import frame_s, nominal_rate
from streamfer.media.video.yuv import Rect
from streamfer.types import FaceResult, Frame, FrameResult, Planes, StreamInfo, UInt8Array

_MOST_INDEXED = 1_000_000
"""Frames for whose index there is memory: 150 MB, for nine hours at 30 frames/s."""


def check_video_path(path: Path) -> None:
    """Finds out before a run whether a video can be written there.

    Raises:
        ConfigError: the suffix names no container that carries it.
        OutputError: the folder is missing, or the path is one.
    """
    if path.suffix.lower() not in CONTAINERS:
        raise ConfigError(
            f"{path}: video is written as {', '.join(CONTAINERS)}; the name must end in one of them"
        )
    check_folder(path, "video")


class VideoWriter:
    """The annotated video of one stream, used by one thread.

    Every frame keeps its PTS. Live streams, files played from later than their start, and files
    whose times begin below 0 have theirs moved so that the video starts at 0. Where the picture's
    size changes, or `roll` is called, the video goes on in a new file, which starts at 0 as well;
    `FileSeries` says how the files are named.

    A gap that is longer than MP4 can count (of a camera that was away) lasts one frame in the
    video, whose later times are moved by it: one file with all frames is easier to watch, and to
    hold against the records, which keep the true time, than one more continuation.

    The file stands at its final path from the start, and is playable at any moment.

    Args:
        path: the (first) file.
        info: the stream.
        config: encoder settings.
        audio: the sound to carry along; None for none.
        claims: the run's; None where nothing else is written.
        captions: makes captions of what the faces show, to be carried in the file; None for none.

    Raises:
        ConfigError: the suffix names no container.
        OutputError: the path cannot be written, or is the audio's file.
    """

    def __init__(
        self,
        path: Path,
        info: StreamInfo,
        config: VideoConfig | None = None,
        audio: AudioSpan | TravellingSound | None = None,
        claims: OutputClaims | None = None,
        captions: CaptionSource | None = None,
    ) -> None:
        check_video_path(path)
        if claims is None:
            claims = OutputClaims([audio.path] if isinstance(audio, AudioSpan) else [])
        self._series = FileSeries(claims, path, info.unrepeatable, stream=info.stream)
        self.name = str(path)
        self._path = path
        self._info = info
        self._config = config or VideoConfig()
        self._rate = nominal_rate(info)
        self._notes: list[str] = []
        self._file: VideoFile | None = None
        self._key: tuple[int, int, int] | None = None
        self._offset_s = Fraction(0)
        self._moved = info.live or (audio is not None and audio.start_s > 0)
        self._last_s = Fraction(0)
        self._time_base = Fraction(1)
        self._shift_s = Fraction(0)
        self._broken = False
        self._begins_file = True
        self._audio = self._open_audio(audio)
        self._audio_kind: AudioKind = CopiedAudio
        self._captions = captions
        self._ahead_s = Fraction(0)
        """How far the stream's PTS are ahead of its media time."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run's summary has to say about this output, one sentence each."""
        return (*self._notes, *([self._series.note] if self._series.note else []))

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files written so far, without one that could not be completed."""
        paths = self._series.paths
        return tuple(paths[:-1] if self._broken else paths)

    def write(
        self,
        frame: Frame,
        picture: UInt8Array,
        faces: tuple[FaceResult, ...] = (),
        changed: Sequence[Rect] | None = None,
    ) -> None:
        """Encodes one annotated picture, with the sound and the captions up to it.

        Args:
            frame: whose time it has.
            picture: (H, W, 3) uint8 RGB, which must not change afterwards.
            faces: the frame's, for captions.
            changed: where it differs from what the frame's image was when it came; None: anywhere.

        Raises:
            OutputError: it cannot be written; the file keeps what it has.
        """
        if self._broken:
            return
        height, width = picture.shape[:2]
        key = (frame.segment, width, height)
        time_s = frame.pts * frame.time_base
        try:
            if self._file is not None and key != self._key:
                self._finish_file(time_s)
            if self._file is None:
                self._file = self._start_file(frame, (width, height))
                self._key = key
            self._close_gap(time_s)
            self._shift_s = frame.shift * frame.time_base
            self._write_audio(time_s)
            self._ahead_s = time_s - Fraction(frame.time_s)
            if self._captions is not None:
                self._captions.add(FrameResult(frame, faces))
                self._write_captions(self._captions.ready())
            offset = round(self._offset_s / frame.time_base)
            planes = None if changed is None else _planes(frame)
            self._file.write(frame.pts + offset, frame.time_base, picture, planes, changed or ())
            self._last_s, self._time_base = time_s, frame.time_base
        except OutputError:
            self._broken = True
            self._abandon()
            raise

    def roll(self) -> None:
        """Completes the current file; the next frame starts a new one.

        Raises:
            OutputError: the file cannot be completed.
        """
        if self._file is not None and not self._broken:
            self._finish_file(self._last_s + 1 / self._rate)

    def close(self) -> None:
        """Completes the video; closing twice is fine.

        Raises:
            OutputError: the file cannot be completed; what was written stays playable.
        """
        try:
            if self._file is not None and not self._broken:
                self._broken = True  # until it is complete
                cut = self._audio is not None and self._audio.has_video_after(float(self._last_s))
                self._finish_file(self._last_s + 1 / self._rate if cut else None)
                self._broken = False
        finally:
            self._abandon()

    def _open_audio(self, span: AudioSpan | TravellingSound | None) -> Sound | None:
        if span is None:
            return None
        try:
            reader = AudioReader(span) if isinstance(span, AudioSpan) else span
        except SourceError as error:
            self._notes.append(f"no sound: {error}")
            return None
        if reader.stream is None or reader.stream.codec_context is None:
            if reader.stream is not None:
                self._notes.append(f"no sound: {self._info.source} has it in an unknown format")
            reader.close()
            return None
        return reader

    def _start_file(self, frame: Frame, size_wh: tuple[int, int]) -> VideoFile:
        source = self._audio.stream if self._audio is not None else None
        try:
            path = self._series.next(frame)
        except OSError as error:
            raise OutputError(f"{self._path}: cannot write the video ({reason(error)})") from error
        continues = self._series.count > 1
        if self._audio is not None and not continues:
            container = CONTAINERS[self._path.suffix.lower()]
            self._audio_kind = audio_kind(container, source, self._audio.peek())
            time_base = frame.time_base
            self._audio.begin(frame.pts * time_base, frame.shift * time_base)
        file = VideoFile(
            path,
            size_wh,
            frame.time_base,
            self._rate,
            self._config,
            audio_source=source,
            audio_kind=self._audio_kind,
            indexed=_is_indexed(self._info),
            captions=None if self._captions is None else self._captions.language_codes,
        )
        if self._moved or continues or frame.pts < 0:  # players cut off what lies before 0
            self._offset_s = -frame.pts * frame.time_base
        if self._moved and isinstance(self._audio, TravellingSound) and not continues:
            for _ in self._audio.upto(frame.pts * frame.time_base):
                pass  # before the start that was asked for
        if source is not None and file.transcodes_audio and not continues:
            self._notes.append(
                f"sound made AAC: {self._path.suffix} cannot carry {source.codec_context.name}"
            )
        self._begins_file = True
        return file

    def _close_gap(self, time_s: Fraction) -> None:
        """Moves what follows a gap that the container cannot count; its sound moves with it."""
        if self._begins_file or self._file is None:
            self._begins_file = False
            return
        rate = self._audio.stream.rate if self._audio is not None else None
        longest_s = longest_gap_s(self._path, self._time_base, rate)
        gap_s = time_s - self._last_s
        if longest_s is None or gap_s <= longest_s:
            return
        self._write_audio(self._last_s + gap_s / 2)
        if self._captions is not None:
            self._write_captions(self._captions.finish())
        self._offset_s -= gap_s - frame_s(self._rate, self._time_base)
        self._notes.append(
            f"a gap of {float(gap_s) / 3600:.1f} hours is left out of the video; records have it"
        )

    def _write_audio(self, until_s: Fraction | None) -> None:
        if self._audio is None or self._file is None:
            return
        for packet in self._audio.upto(until_s, self._shift_s):
            self._file.write_audio(packet, self._offset_s)

    def _write_captions(self, captions: Iterable[Caption]) -> None:
        assert self._file is not None
        for caption in captions:
            self._file.write_caption(caption, self._offset_s + self._ahead_s)

    def _finish_file(self, until_s: Fraction | None) -> None:
        file = self._file
        if file is None:
            return
        self._write_audio(until_s)
        if self._captions is not None:
            self._write_captions(self._captions.finish())
        self._file = None
        if file.skipped_audio_packets:
            self._notes.append(f"damaged audio packets left out: {file.skipped_audio_packets}")
        file.close()

    def _abandon(self) -> None:
        """Lets go of files after a failure or at the end."""
        if self._file is not None:
            self._file.abandon()
            self._file = None
        if self._audio is not None:
            if self._audio.problem is not None:
                self._notes.append(f"sound incomplete: {self._audio.problem}")
            self._audio.close()
            self._audio = None


def _planes(frame: Frame) -> Planes | None:
    """What the frame's image was made of, unless it has been replaced since."""
    if frame.planes is None or frame.planes.of_image is not frame.image:
        return None
    return frame.planes


def _is_indexed(info: StreamInfo) -> bool:
    """Not what has no end, as cameras and films in a loop."""
    return not info.live and (info.frame_count or 0) <= _MOST_INDEXED
