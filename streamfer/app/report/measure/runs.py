"""The tracks of one or several runs, of which each numbers its tracks and frames from the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from streamfer.app.report.faces import reading
from streamfer.app.report.measure.tracks import Track
from streamfer.labels import NUM_LABELS
from streamfer.media.files.output_path import continuation_order, continued_path
from streamfer.media.records.progress import Progress
from streamfer.media.records.reader import read_records


def read_tracks(paths: Sequence[Path]) -> list[Track]:
    """The tracks of recorded runs, in the order in which they appear.

    Args:
        paths: records files, in any order. Those whose names continue one path belong to one run
            where their headers name the same; where they name none, where the first frame of one
            comes after the last of the one before.

    Returns:
        The tracks, which name their run where there are several.

    Raises:
        SourceError: records cannot be read, or two have other labels.
    """
    read_records(*paths)  # says which of them has other labels
    runs: list[_Run] = []
    for path in _in_order(paths):
        records = read_records(path)
        with reading(path):
            first = next(iter(records.frames), None)
            # An earlier run may have left files of numbers between this one's.
            found = (run for run in reversed(runs) if run.goes_on(path, records.header, first))
            run = next(found, None)
            if run is None:
                run = _Run(path, records.header)
                runs.append(run)
            for frame in records.frames:
                run.add(frame)
    return [track for run in runs for track in run.tracks(named=len(runs) > 1)]


def _in_order(paths: Sequence[Path]) -> list[Path]:
    """Files that continue one path together and by time, where the first of them is named: a
    shell names `talk.1.jsonl` before `talk.jsonl`."""
    groups: dict[Path, list[Path]] = {}
    for path in paths:
        groups.setdefault(continued_path(path), []).append(path)
    return [path for group in groups.values() for path in sorted(group, key=continuation_order)]


class _Run:
    """A run as its files are read."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self._path = path
        self._progress = Progress(header)
        self._tracks: dict[tuple[str, int], Track] = {}

    def goes_on(
        self, path: Path, header: Mapping[str, Any], first: Mapping[str, Any] | None
    ) -> bool:
        """Whether a file is a continuation of those read so far."""
        is_named_so = continued_path(path) == continued_path(self._path)
        return is_named_so and self._progress.goes_on(header, first)

    def add(self, frame: Mapping[str, Any]) -> None:
        """Takes a frame's record.

        Raises:
            KeyError, TypeError, ValueError: it lacks what every record has, or has it wrong.
        """
        self._progress.add(frame)
        for face in frame.get("faces", ()):
            if face.get("smoothed") is None or face.get("track") is None:
                continue
            key = (frame["stream"], face["track"])
            track = self._tracks.setdefault(key, Track(*key))
            probs = [float(prob) for prob in face["smoothed"]]
            if len(probs) != NUM_LABELS:
                raise ValueError(f"{len(probs)} probabilities of {NUM_LABELS} labels")
            track.times_s.append(float(frame["time_s"]))
            track.probs.append(probs)

    def tracks(self, named: bool) -> Iterator[Track]:
        """Its tracks, with its name on each if wanted."""
        for track in self._tracks.values():
            track.run = str(self._path) if named else None
            yield track
