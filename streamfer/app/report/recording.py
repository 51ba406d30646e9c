"""One stream of records, read once: its digest in memory, its detail written chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamfer.app.report.digest import (
    CHUNK_S,
    MomentFinder,
    TrackDigest,
    detail_row,
)
from streamfer.media.video.stills import Seconds

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

    def add(self, record: Mapping[str, Any]) -> list[Any]:
        """Takes a frame's record; returns it as a chunk has it."""
        time_s = float(record["time_s"])
        if self.frames % self._SAMPLE_EVERY == 0:
            self.samples.append((record["frame"], time_s))
        self.frames += 1
        self.dropped += record.get("dropped") or 0
        self.last_frame, self.last_s = record["frame"], time_s
        faces = record.get("faces") or []
        for face in faces:
            track = face["track"]
            if track not in self.tracks:
                self.tracks[track] = TrackDigest(track, time_s)
            self.tracks[track].add(time_s, face)
            self.finder.add(time_s, face)
        return [record["frame"], time_s, [detail_row(face) for face in faces]]

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
        wrong = [n for n, time_s in self.samples if abs(times_s[n] - time_s) > _TIME_TOLERANCE_S]
        if len(wrong) > len(self.samples) // 100:
            return f"{said}, and frame {wrong[0]} stands at another time"
        return None


_TIME_TOLERANCE_S = 0.002


def read_recordings(
    header: Mapping[str, Any], frames: Iterable[Mapping[str, Any]], write_chunk: WriteChunk
) -> list[Recording]:
    """Goes through records once.

    Args:
        header: of the records.
        frames: their frames, in the order of time.
        write_chunk: takes the detail, a chunk at a time.
    """
    found: dict[str, Recording] = {}
    for entry in header.get("streams") or []:
        name = str(entry.get("stream"))
        found[name] = Recording(
            name, str(entry.get("source", "")), entry.get("width"), entry.get("height")
        )
    open_chunks: dict[str, tuple[int, list[Any]]] = {}
    for record in frames:
        name = str(record["stream"])
        recording = found.setdefault(name, Recording(name, "", None, None))
        number = int(record["time_s"] // CHUNK_S)
        kept = open_chunks.get(name)
        if kept is None or kept[0] != number:
            if kept is not None:
                write_chunk(name, *kept)
            kept = open_chunks[name] = (number, [])
            recording.chunks.append(number)
        kept[1].append(recording.add(record))
    for name, kept in open_chunks.items():
        write_chunk(name, *kept)
    return [recording for recording in found.values() if recording.frames]
