"""Holds an annotated video and its records against the input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

from streamfer.errors import SourceError
from streamfer.media.records.reader import Record, read_records
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.source import PendingFrame
from streamfer.media.verify.audio import audio_difference, audio_rate
from streamfer.media.verify.records import record_differences, stream_of
from streamfer.media.verify.video import VideoCheck


def verify_outputs(
    source: Path,
    output: Path | None,
    records: Path | None,
    *,
    stream: str | None = None,
    segments: bool = False,
) -> list[str]:
    """Proves that frames, times, sound, records and pictures of a run belong together.

    The program's own file source reads the input, so that one rule repairs all times. The run must
    have analysed all of it, once.

    Args:
        source: the video that was analysed.
        output: its annotated video; None: not checked.
        records: its records; None: not checked.
        stream: the input's name in them; None: the one whose source it is.
        segments: whether the files that `--segment` made follow the records.

    Returns:
        The first difference of each kind, one line each; none where all agree.

    Raises:
        SourceError: the input cannot be read.
        ConfigError: the records' suffix names no format, or several streams may be of the input.
    """
    differences: list[str] = []
    read = _read_records(records, segments, differences)
    with closing(FileSource(source, "verify")) as opened:
        info = opened.open()
        if stream is None and read is not None:
            stream = stream_of(read[0], info)
        analysed = [f for f in read[1] if f.get("stream") == stream] if read is not None else []
        covered = read is not None and read[0].get("faces", "shown") != "shown"
        video = None
        if output is not None:
            video = VideoCheck(output, info, analysed, audio_rate(source), covered=covered)
        playing = _Playing(opened)
        for pending in playing.frames():
            playing.note(pending)
            if video is not None:
                video.compare(pending)
    if video is not None:
        differences += _video_differences(source, video, playing)
    if read is not None:
        found = record_differences(read[0], stream, analysed, info, playing.seen)
        differences += [f"{records}: {line}" for line in found]
    return differences


def _video_differences(source: Path, video: VideoCheck, playing: _Playing) -> list[str]:
    """What is wrong with a video, now that all of the input has been compared with it."""
    video.finish()
    if not video.readable:
        return video.differences
    moved_s = None if video.gaps else video.moved_s
    sound = audio_difference(source, video.paths, moved_s, playing.shifts, playing.cut)
    return [*video.differences, *sound]


class _Playing:
    """The input's frames, up to where it breaks off."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.cut = False
        """Whether the input ended before its declared end."""
        self.seen: list[tuple[int, float]] = []
        """(index, time_s) of its frames."""
        self.shifts: list[tuple[Fraction, Fraction]] = []
        """When its times began to be moved, and by how much, in seconds."""

    def note(self, pending: PendingFrame) -> None:
        self.seen.append((pending.index, pending.time_s))
        shift_s = pending.shift * pending.time_base
        if shift_s != (self.shifts[-1][1] if self.shifts else 0):
            self.shifts.append((pending.pts * pending.time_base, shift_s))

    def frames(self) -> Iterator[PendingFrame]:
        try:
            yield from self._source.frames()
        except SourceError:
            self.cut = True


def _read_records(
    path: Path | None, segments: bool, differences: list[str]
) -> tuple[Record, list[Record]] | None:
    """Header and frames."""
    if path is None:
        return None
    try:
        records = read_records(path, segments=segments)
        return records.header, list(records.frames)
    except SourceError as error:
        differences.append(str(error))
        return None
