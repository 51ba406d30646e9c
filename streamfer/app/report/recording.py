"""One stream of records, read once: its digest in memory, its detail written chunk by chunk."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamfer.app.report.digest import TrackDigest
from streamfer.app.report.faces import FaceRows
from streamfer.app.report.moments import MomentFinder
from streamfer.media.video.stills import Seconds

CHUNK_S = 15
"""Seconds of detail that the page loads at once: with twenty faces half a megabyte, read while a
video seeks."""

WriteChunk = Callable[[str, int, list[Any]], None]
"""Takes a stream's name, the number of a chunk and its frames."""


@dataclass(slots=True)
class Recording:
    """A stream as the report shows it."""

    stream: str
    source: str
    width: int | None
    height: int | None
    tracks: dict[int, TrackDigest] = field(default_factory=dict)
    finder: MomentFinder = field(default_factory=MomentFinder)
    frames: int = 0
    dropped: int = 0
    last_frame: int = -1
    last_s: float = 0.0
    chunks: list[int] = field(default_factory=list)
    """Numbers of the chunks that exist."""
    samples: list[tuple[int, float]] = field(default_factory=list)
    """Number and time of every `_SAMPLE_EVERY`th frame, to hold a video against."""

    _SAMPLE_EVERY = 25

    _frames: list[tuple[int, float]] = field(default_factory=list)
    """Number and time of the frames of the chunk that is being read."""
    _rows: FaceRows = field(default_factory=FaceRows)

    @property
    def open_chunk(self) -> int | None:
        """The number of the chunk that is being read."""
        return self.chunks[-1] if self._frames else None

    def add(self, record: Mapping[str, Any]) -> None:
        """Takes a frame's record."""
        # Numbers, and nothing else: they are written into a script.
        number, time_s = operator.index(record["frame"]), float(record["time_s"])
        if self.frames % self._SAMPLE_EVERY == 0:
            self.samples.append((number, time_s))
        self.frames += 1
        self.dropped += record.get("dropped") or 0
        self.last_frame, self.last_s = number, time_s
        if not self._frames:
            self.chunks.append(int(time_s // CHUNK_S))
        place = len(self._frames)
        self._frames.append((number, time_s))
        for face in record.get("faces") or []:
            self._rows.add(place, time_s, face)

    def end_chunk(self) -> list[Any]:
        """Digests what has come since the last chunk; returns it as the page has it."""
        table, frames = self._rows.table(), self._frames
        self._rows, self._frames = FaceRows(), []
        for track, faces in table.by_track():
            if track not in self.tracks:
                self.tracks[track] = TrackDigest(track, float(faces.time_s[0]))
            self.tracks[track].add(faces)
            self.finder.add(track, faces)
        chunk: list[Any] = [[number, time_s, []] for number, time_s in frames]
        for place, face in zip(table.frame.tolist(), table.detail(), strict=True):
            chunk[place][2].append(face)
        return chunk

    def difference(self, times_s: Seconds) -> str | None:
        """What tells that a video is not the one that was analysed.

        Args:
            times_s: (n,) of the video's frames.
        """
        last = float(times_s[-1]) if len(times_s) else 0.0
        said = (
            f"it has {len(times_s)} frames, the last at {last:.3f} s; the records go to frame"
            f" {self.last_frame} at {self.last_s:.3f} s"
        )
        if self.last_frame >= len(times_s):
            return said
        wrong = [n for n, time_s in self.samples if abs(times_s[n] - time_s) > TIME_TOLERANCE_S]
        if len(wrong) > len(self.samples) // 100:
            return f"{said}, and frame {wrong[0]} stands at another time"
        return None


_LONGEST_S = 366 * 86_400.0
"""Of a recording: a report's overview grows with the time."""
TIME_TOLERANCE_S = 0.002
"""By how much the times of a record and of its frame may differ."""


def read_recordings(
    header: Mapping[str, Any], frames: Iterable[Mapping[str, Any]], write_chunk: WriteChunk
) -> list[Recording]:
    """Goes through records once.

    Args:
        header: of the records.
        frames: their frames, in the order of time.
        write_chunk: takes the detail, a chunk at a time.

    Raises:
        KeyError, TypeError, ValueError: a frame lacks what every record has, or has it wrong.
    """
    found: dict[str, Recording] = {}
    for entry in header.get("streams") or []:
        name = str(entry.get("stream"))
        found[name] = Recording(
            name, str(entry.get("source", "")), entry.get("width"), entry.get("height")
        )

    def end_chunk(recording: Recording) -> None:
        number = recording.open_chunk
        if number is not None:
            write_chunk(recording.stream, number, recording.end_chunk())

    for record in frames:
        name = str(record["stream"])
        if not 0 <= record["time_s"] <= _LONGEST_S:
            raise ValueError(f"a time of {record['time_s']} s")
        recording = found.setdefault(name, Recording(name, "", None, None))
        if recording.open_chunk != int(record["time_s"] // CHUNK_S):
            end_chunk(recording)
        recording.add(record)
    for recording in found.values():
        end_chunk(recording)
    return [recording for recording in found.values() if recording.frames]
