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


def verify_outputs(source: Path, output: Path | None, records: Path | None) -> list[str]:
    """Proves that frames, times, sound, records and pictures of a run belong together.

    The input is read with the program's own file source, so that times are compared under the one
    rule that repairs them. The run must have analysed the whole input, once.

    Args:
        source: the video that was analysed.
        output: its annotated video; None: not checked.
        records: its records; None: not checked.

    Returns:
        The first difference of each kind, one line each; none where all agree.

    Raises:
        SourceError: the input cannot be read.
        ConfigError: the records' suffix names no format.
    """
    differences: list[str] = []
    read = _read_records(records, differences)
    frames: list[tuple[int, float]] = []
    with closing(FileSource(source, "verify")) as opened:
        info = opened.open()
        stream = None if read is None else stream_of(read[0], info)
        analysed = [] if read is None else [f for f in read[1] if f.get("stream") == stream]
        rate = audio_rate(source)
        covered = read is not None and read[0].get("faces", "shown") != "shown"
        video = (
            None if output is None else VideoCheck(output, info, analysed, rate, covered=covered)
        )
        playing = _Playing(opened)
        for pending in playing.frames():
            frames.append((pending.index, pending.time_s))
            playing.note_shift(pending)
            if video is not None:
                video.compare(pending)
    if video is not None and output is not None:
        video.finish()
        differences += video.differences
        if video.readable:
            shifts = playing.shifts
            moved_s = None if video.gaps else video.moved_s
            differences += audio_difference(source, video.paths, moved_s, shifts, playing.cut)
    if read is not None:
        found = record_differences(read[0], stream, analysed, info, frames)
        differences += [f"{records}: {line}" for line in found]
    return differences


class _Playing:
    """The input's frames, up to where it breaks off."""

    def __init__(self, source: FileSource) -> None:
        self._source = source
        self.cut = False
        """Whether the input ended before its declared end."""
        self.shifts: list[tuple[Fraction, Fraction]] = []
        """When its times began to be moved, and by how much, in seconds."""

    def note_shift(self, pending: PendingFrame) -> None:
        shift_s = pending.shift * pending.time_base
        if shift_s != (self.shifts[-1][1] if self.shifts else 0):
            self.shifts.append((pending.pts * pending.time_base, shift_s))

    def frames(self) -> Iterator[PendingFrame]:
        try:
            yield from self._source.frames()
        except SourceError:
            self.cut = True


def _read_records(path: Path | None, differences: list[str]) -> tuple[Record, list[Record]] | None:
    """Header and frames."""
    if path is None:
        return None
    try:
        records = read_records(path)
        return records.header, list(records.frames)
    except SourceError as error:
        differences.append(str(error))
        return None
