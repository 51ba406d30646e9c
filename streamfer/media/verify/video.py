"""The annotated video against the input: frame count, times, sizes and pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.errors import SourceError
from streamfer.media.files.output_path import continuations, segment_path
from streamfer.media.sources.demux import decoded
from streamfer.media.sources.media_file import open_media_file, video_stream
from streamfer.media.sources.picture import DecodedPicture, RgbConverter
from streamfer.media.sources.source import PendingFrame
from streamfer.media.verify.picture import PictureCheck
from streamfer.media.video.container import longest_gap_s
from streamfer.media.video.picture_file import is_picture_path
from streamfer.media.video.rates import frame_s, nominal_rate
from streamfer.types import StreamInfo, UInt8Array


@dataclass(frozen=True, slots=True, eq=False)
class WrittenFrame:
    """A frame of the annotated video."""

    time_s: Fraction
    tick_s: Fraction
    """Seconds per unit of its PTS."""
    image: UInt8Array
    """(H, W, 3) uint8 RGB."""


class WrittenVideo:
    """Reads the annotated video, which goes on in a further file where the size changes.

    Args:
        path: of the first file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._frames: Iterator[WrittenFrame] = iter(())
        self._number = 0
        self.paths: list[Path] = []
        """The files opened so far."""

    def read(self, segment: int) -> WrittenFrame | None:
        """The next frame of a segment's file; None at its end.

        Raises:
            SourceError: the file cannot be opened.
        """
        while len(self.paths) <= segment:
            path = self._next_path()
            self._frames = _frames(path)
            self.paths.append(path)
        return next(self._frames, None)

    def _next_path(self) -> Path:
        """The next continuation: what stood there before the first file was written is none."""
        if not self.paths:
            return self._path
        begun = self._path.stat().st_mtime_ns
        for number, path in continuations(self._path):
            if number > self._number and path.stat().st_mtime_ns >= begun:
                self._number = number
                return path
        self._number += 1
        return segment_path(self._path, self._number)

    def count_rest(self) -> int:
        """How many frames of the current file have not been read."""
        return sum(1 for _ in self._frames)


class VideoCheck:
    """Compares the annotated video frame by frame.

    Args:
        output: the annotated video.
        info: the input.
        analysed: records of the input's frames, so that what is drawn over is known; empty: the
            pictures are compared loosely.
        audio_rate: samples per second of the input's sound; None where it has none.
        covered: whether faces were covered, so that no picture is as it was.
    """

    def __init__(
        self,
        output: Path,
        info: StreamInfo,
        analysed: Sequence[Mapping[str, Any]],
        audio_rate: int | None = None,
        *,
        covered: bool = False,
    ) -> None:
        self._output = output
        self._video = WrittenVideo(output)
        self._faces = {record.get("frame"): record.get("faces") for record in analysed}
        self._picture = PictureCheck(
            info.stream,
            knows_faces=bool(analysed),
            padded=not is_picture_path(output),
            covered=covered,
        )
        self._found: dict[str, str] = {}
        self._frames = 0
        self._missing = 0
        self._extra = 0
        self._segment = -1
        self.moved_s = Fraction(0)
        """How far the current file's times were moved against the input's."""
        self.gaps = 0
        """Gaps too long for the container, which the writer closed."""
        self.readable = True
        self._last_s: Fraction | None = None
        self._rate = nominal_rate(info)
        self._audio_rate = audio_rate

    @property
    def differences(self) -> list[str]:
        """The first of each kind."""
        return list(self._found.values())

    @property
    def paths(self) -> list[Path]:
        """The annotated video's files."""
        return self._video.paths

    def compare(self, pending: PendingFrame) -> None:
        """Holds the next frame of the video against a frame of the input."""
        if not self.readable:
            return
        self._frames += 1
        time_s = pending.pts * pending.time_base
        try:
            if pending.segment != self._segment:
                self._begin_segment(pending.segment, time_s)
            written = self._video.read(pending.segment)
        except SourceError as error:
            self.readable = False
            self._note("file", f"{error}")
            return
        if written is None:
            self._missing += 1
            return
        where = f"{self._output}: frame {pending.index}"
        self._note_gap(time_s, pending.time_base)
        expected_s = time_s + self.moved_s
        # A container with coarser ticks rounds.
        if abs(written.time_s - expected_s) > written.tick_s / 2:
            self._note(
                "time",
                f"{where} is at {float(written.time_s):.6f} s, not {float(expected_s):.6f} s",
            )
        faces = self._faces.get(pending.index) or []
        problem = self._picture.compare(pending.picture.to_rgb(), written.image, faces)
        if problem is not None:
            self._note("picture", f"{where} {problem}")

    def finish(self) -> None:
        """Counts what is left."""
        if not self.readable:
            return
        self._extra += self._video.count_rest()
        if self._missing or self._extra:
            written = self._frames - self._missing + self._extra
            self._note("count", f"{self._output}: {written} frames, not {self._frames}")

    def _begin_segment(self, segment: int, time_s: Fraction) -> None:
        if self._segment >= 0:
            self._extra += self._video.count_rest()
        self._segment = segment
        # The writer's rule: continuations, and times below 0, are moved to 0.
        self.moved_s = -time_s if segment > 0 or time_s < 0 else Fraction(0)
        self._last_s = None

    def _note_gap(self, time_s: Fraction, time_base: Fraction) -> None:
        last_s, self._last_s = self._last_s, time_s
        longest_s = longest_gap_s(self._output, time_base, self._audio_rate)
        if last_s is None or longest_s is None or time_s - last_s <= longest_s:
            return
        self.gaps += 1
        self.moved_s -= (
            time_s - last_s - frame_s(self._rate, time_base)
        )  # the writer's rule: it lasts one frame

    def _note(self, kind: str, difference: str) -> None:
        self._found.setdefault(kind, difference)


def _frames(path: Path) -> Iterator[WrittenFrame]:
    container = open_media_file(path)
    stream = video_stream(container, path)
    converter = RgbConverter()

    def decode() -> Iterator[WrittenFrame]:
        with container:
            try:
                for frame in decoded(container, stream):
                    yield WrittenFrame(
                        time_s=frame.pts * frame.time_base,
                        tick_s=frame.time_base,
                        image=DecodedPicture(frame, converter, stream.sample_aspect_ratio).to_rgb(),
                    )
            except FFmpegError:
                return  # torn here; the frame count tells

    return decode()
