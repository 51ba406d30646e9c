"""Reads a file's audio for its annotated video.

The packets are read from the file a second time, by the thread that writes the video: a bounded
audio channel beside frame-threaded video decoding would deadlock.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.error import FFmpegError
from av.stream import Discard

from streamfer.errors import SourceError
from streamfer.media.files.output_path import reason
from streamfer.media.sources.audio_clock import AudioClock, move
from streamfer.media.sources.demux import demuxed
from streamfer.media.sources.media_file import WITHOUT_SEARCH, open_media_file, video_stream
from streamfer.media.sources.sound import Sound
from streamfer.media.sources.timeline import Timeline, longest_gap_s

_END_TOLERANCE_S = 0.5
"""Video after the last frame written that does not count: frames that cannot be decoded."""


@dataclass(frozen=True, slots=True)
class AudioSpan:
    """Which audio belongs to a video: a file's, from a moment on, for a while, some times over."""

    path: Path
    start_s: float = 0.0
    """Where the video begins, in seconds after the file's first frame."""
    duration_s: float | None = None
    """How much of the file the video shows at most, in seconds; None: to its end."""
    loops: int = 1
    """How often the video shows it in a row."""


class AudioReader(Sound):
    """The audio packets of a span, in order, timed like the video that they belong to.

    Args:
        span: what to read.

    Raises:
        SourceError: the file cannot be opened again, or has no video.
    """

    def __init__(self, span: AudioSpan) -> None:
        super().__init__()
        self._span = span
        self._container = self._reading = open_media_file(span.path)
        self.begin_clock(self._container.format.name, follows_video=span.loops == 1)
        video = video_stream(self._container, span.path)
        self.stream = self._container.streams.best("audio")
        self._video_end_s = None if span.loops == 1 else _end_s(self._container, video, span.path)
        self._video_start_s = _start_s(self._container, video)
        self._packets = self._read() if self.stream is not None else iter(())
        self._next: Any = None

    def peek(self) -> Any:
        """See `Sound`."""
        if self._next is None:
            self._next = next(self._packets, None)
        return self._next

    def _take(self) -> None:
        self._next = None

    def close(self) -> None:
        """Closes the file."""
        self._packets = iter(())
        self._next = None
        for container in (self._reading, self._container):
            container.close()

    def has_video_after(self, time_s: float) -> bool:
        """Whether the span holds more video than was written, so that its sound must end too.

        Looks into the file: declared durations are estimates, and their last frame may be long.

        Args:
            time_s: PTS of the last frame written, in seconds.
        """
        first, last = self._round_s()
        turn = 0
        if last is not None and last > first:
            turn = min(int((time_s - first) / (last - first)), self._span.loops - 1)
            time_s -= turn * (last - first)
        if turn < self._span.loops - 1:
            return True
        end_s = math.inf if last is None else last
        return _has_video_between(self._span.path, time_s + _END_TOLERANCE_S, end_s)

    def _round_s(self) -> tuple[float, float | None]:
        """Begin and end of one round on the file's clock; the end of a single one matters only
        where a duration was asked for."""
        first = self._video_start_s + self._span.start_s
        ends = [] if self._video_end_s is None else [self._video_end_s]
        if self._span.duration_s is not None:
            ends.append(first + self._span.duration_s)
        return first, max(min(ends), first) if ends else None

    def _read(self) -> Iterator[Any]:
        first, last = self._round_s()
        for turn in range(self._span.loops):
            if turn > 0 and last is None:
                self.problem = "the length of a round is not known; only the first has sound"
                return
            shift_s = turn * (last - first) if last is not None else 0.0
            if turn > 0 or self._span.start_s > 0:
                self._seek(first)
            whole = turn == 0 and self._span.start_s == 0
            cut = last if self._span.duration_s is not None or turn < self._span.loops - 1 else None
            try:
                yield from self._read_round(None if whole else first, cut, shift_s)
            except FFmpegError as error:
                self.problem = f"cannot be read further ({reason(error)})"
                return

    def _seek(self, first_s: float) -> None:
        """Goes to a packet before a moment, or to the beginning, with clocks as at first reading.

        A clock of 33 bits that runs over counts on only if it is read from where it did not.
        """
        rewinds = self._reading.format.name in WITHOUT_SEARCH
        if not rewinds:
            with contextlib.suppress(FFmpegError):
                self._reading.seek(math.floor(first_s * av.time_base), backward=True)
                return
        if self._reading is not self._container:  # `stream`, which the writer holds, stays open
            self._reading.close()
        self._reading = open_media_file(self._span.path)

    def _read_round(
        self, first_s: float | None, last_s: float | None, shift_s: float
    ) -> Iterator[Any]:
        end = 0
        running = AudioClock(longest_gap_s(self._container.format.name))
        for other in self._reading.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all
        for packet in demuxed(self._reading, self._reading.streams[self.stream.index]):
            if packet.size == 0:
                continue
            pts = packet.pts if packet.pts is not None else packet.dts
            if pts is None:  # it follows the one before
                pts = end
            packet.pts = pts
            packet.dts = packet.dts if packet.dts is not None else pts
            repaired_s = running.passed(packet)
            time_s = running.time_s
            end = pts + (packet.duration or 0)
            if last_s is not None and time_s >= last_s:
                return
            if first_s is not None and time_s < first_s:
                continue
            # What does not follow the video is on one clock here, wherever in the file it begins.
            if self._span.loops > 1:
                move(packet, repaired_s)
            move(packet, Fraction(shift_s))
            yield packet


def _has_video_between(path: Path, after_s: float, before_s: float) -> bool:
    try:
        with open_media_file(path) as container:
            video = video_stream(container, path)
            container.seek(round(after_s / video.time_base), stream=video)
            return any(after_s < _time_s(packet) < before_s for packet in demuxed(container, video))
    except (SourceError, FFmpegError):
        return False  # a file that has become unreadable holds no more sound either


def _time_s(packet: Any) -> float:
    """PTS in seconds; minus infinity where it has none."""
    return -math.inf if packet.pts is None else float(packet.pts * packet.time_base)


def _start_s(container: Any, stream: Any) -> float:
    if stream is not None and stream.start_time is not None:
        return float(stream.start_time * stream.time_base)
    return (container.start_time or 0) / av.time_base


def _end_s(container: Any, stream: Any, path: Path) -> float | None:
    if math.isfinite(longest_gap_s(container.format.name)):
        return _repaired_end_s(path)
    if stream is not None and stream.duration is not None:
        return _start_s(container, stream) + float(stream.duration * stream.time_base)
    if container.duration is not None:
        return ((container.start_time or 0) + container.duration) / av.time_base
    return None


def _repaired_end_s(path: Path) -> float | None:
    """When a video ends whose clock may be reset, by the rule that repairs its times.

    What such a file declares is where one of its parts ends.
    """
    with open_media_file(path) as container:
        stream = video_stream(container, path)
        rate = stream.average_rate or stream.guessed_rate
        if not rate:
            return None
        timeline = Timeline(stream.time_base, float(1 / rate), longest_gap_s(container.format.name))
        end_s = 0.0
        with contextlib.suppress(FFmpegError):  # the video ends there too
            for packet in demuxed(container, stream):
                if packet.size:
                    end_s = timeline.place(packet.dts).time_s + float(1 / rate)
        return _start_s(container, stream) + end_s
