"""`--skip-existing`: going on with a folder of files where an earlier run stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streamfer.app.config import RunConfig
from streamfer.app.session.outputs import STREAM_FIELD, annotated_path, output_path
from streamfer.errors import ConfigError, SourceError
from streamfer.media.records.reader import read_records
from streamfer.media.records.writer import RecordWriter
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec
from streamfer.media.verify.whole import WholeInput
from streamfer.types import StreamInfo

if TYPE_CHECKING:
    from streamfer.media.records.latents import KeptLatents, LatentWriter


@dataclass(frozen=True, slots=True)
class KeptRecords:
    """An earlier run's records, in memory: their file is written anew."""

    header: dict[str, Any]
    frames: list[dict[str, Any]]
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Resumption:
    """What is left to do, and what an earlier run's outputs hold of the rest."""

    specs: list[SourceSpec]
    """Sources still to be analysed."""
    done: tuple[StreamInfo, ...] = ()
    """Streams that are complete, for the header of the records."""
    kept: KeptRecords | None = None
    """Records of the complete streams, where they share a file with the others."""
    latents: KeptLatents | None = None
    """Latents of the complete streams."""

    def restore(self, records: RecordWriter | None, latents: LatentWriter | None) -> None:
        """Writes what is kept into the new files.

        Raises:
            OutputError: it cannot be written.
        """
        if self.kept is not None and records is not None:
            records.restore(self.kept.frames, self.kept.events)
        if self.latents is not None and latents is not None:
            latents.restore(self.latents)


def resume(config: RunConfig, specs: Sequence[SourceSpec]) -> Resumption:
    """Finds the files whose outputs are complete.

    A file is complete when each output that is asked for has all of its frames: the annotated
    video at their times, the records and the latents counted to the last. Records must be of that
    very file, answered with the same labels: other inputs can have the same name and length.

    Raises:
        ConfigError: there is no output to tell by, or only parts of files are to be analysed.
    """
    if not config.skip_existing:
        return Resumption(list(specs))
    if (config.output, config.records, config.latents) == (None, None, None):
        raise ConfigError(
            "--skip-existing: needs --output, --records or --latents, which tell what is complete"
        )
    if (config.start, config.duration, config.max_frames, config.loop) != (0.0, None, None, 1):
        raise ConfigError(
            "--skip-existing: takes whole files, without --start, --duration, --max-frames, --loop"
        )
    earlier = _Earlier(config)
    todo = [spec for spec in specs if not earlier.is_complete(spec)]
    done = tuple(earlier.info(spec) for spec in specs if spec not in todo)
    names = {info.stream for info in done}
    return Resumption(todo, done, earlier.kept_records(names), earlier.kept_latents(names))


class _Earlier:
    """The outputs of an earlier run."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._latents = _existing_latents(config.latents)
        self._frames: dict[str, tuple[int, float]] = {}
        """By stream: how many frames the records have, and when the last one is."""
        self._entries: dict[str, dict[str, Any]] = {}
        """By stream: what the records' header says of it."""
        self._shared: KeptRecords | None = None
        """Records that all streams share."""
        if config.records is not None and STREAM_FIELD not in str(config.records):
            self._shared = self._read(config.records)

    def is_complete(self, spec: SourceSpec) -> bool:
        """Whether every output that is asked for has all of a file."""
        if spec.kind is not SourceKind.FILE or not os.path.isfile(spec.path):  # a pipe is read once
            return False
        whole, config = WholeInput(spec.path), self._config
        if config.records is not None:
            if STREAM_FIELD in str(config.records):
                self._read(output_path(config.records, spec.name))
            counted, entry = self._frames.get(spec.name), self._entries.get(spec.name)
            if not counted or entry is None or not whole.is_counted(*counted):
                return False
            if not _is_of(entry, spec):
                return False
        if config.latents is not None:
            seen = self._latents.seen.get(spec.name) if self._latents is not None else None
            if not seen or not whole.is_counted(*seen):
                return False
        subtitles = config.subtitles and output_path(config.subtitles, spec.name)
        if subtitles is not None and not os.path.isfile(subtitles):
            return False
        annotated = annotated_path(config, spec)
        return annotated is None or whole.is_in_annotated(annotated)

    def info(self, spec: SourceSpec) -> StreamInfo:
        """What the records' header knows of a complete stream."""
        entry = self._entries.get(spec.name, {})
        source = entry.get("source", spec.label)
        return StreamInfo(spec.name, source, entry.get("width"), entry.get("height"), live=False)

    def kept_records(self, streams: set[str]) -> KeptRecords | None:
        """The records of some streams, where all share a file; None where there are none."""
        if self._shared is None:
            return None
        return KeptRecords(
            self._shared.header,
            [frame for frame in self._shared.frames if frame.get("stream") in streams],
            [event for event in self._shared.events if event.get("stream") in streams],
        )

    def kept_latents(self, streams: set[str]) -> KeptLatents | None:
        """The latents of some streams; None where there are none at all."""
        return None if self._latents is None else self._latents.only(streams)

    def _read(self, path: Path) -> KeptRecords | None:
        """Takes note of what a records file knows."""
        records = _existing_records(path)
        if records is None or not _answers_as(records.header, self._config):
            return None
        for entry in records.header.get("streams", []):
            self._entries[entry.get("stream")] = entry
        lacking = set()
        for frame in records.frames:
            stream = str(frame.get("stream"))
            if frame.get("frame") is None or frame.get("time_s") is None:
                lacking.add(stream)
                continue
            count, _ = self._frames.get(stream, (0, 0.0))
            self._frames[stream] = (count + 1, frame["time_s"])
        for stream in lacking:  # it is analysed again
            self._frames.pop(stream, None)
        return records


def _is_of(entry: Mapping[str, Any], spec: SourceSpec) -> bool:
    """Whether a stream in a header of records is that of a file."""
    source = str(entry.get("source", spec.label))
    return source == spec.label or Path(source).resolve() == spec.path.resolve()


def _answers_as(header: Mapping[str, Any], config: RunConfig) -> bool:
    """Whether earlier records say what a run's would; weights of one's own choose their labels."""
    chosen = config.face_model == "shipped"
    same_labels = not chosen or header.get("label_set", config.label_set) == config.label_set
    return same_labels and header.get("faces", "shown") == config.faces


def _existing_records(path: Path | None) -> KeptRecords | None:
    if path is None or not os.path.exists(path):
        return None
    try:
        read = read_records(path)
        return KeptRecords(read.header, list(read.frames), read.events)
    except SourceError:  # unreadable: everything is analysed again
        return None


def _existing_latents(path: Path | None) -> KeptLatents | None:
    if path is None:
        return None
    from streamfer.media.records.latents import read_kept_latents  # loads pyarrow

    return read_kept_latents(path)
