"""`--skip-existing`: going on with a folder of files where an earlier run stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.error import FFmpegError

from streamfer.app.config import RunConfig
from streamfer.app.session.outputs import output_path
from streamfer.errors import ConfigError, SourceError
from streamfer.media.records.writer import Records, RecordWriter, read_records
from streamfer.media.sources.media_file import open_media_file, video_stream
from streamfer.media.sources.source_list import SourceKind, SourceSpec
from streamfer.types import StreamInfo

_TOLERANCE_S = 0.002
"""Rounding of times between two containers."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """What is left to do, and what an earlier run's records say of the rest."""

    specs: list[SourceSpec]
    """Sources still to be analysed."""
    done: tuple[StreamInfo, ...] = ()
    """Streams that are complete, for the header of the records."""
    kept: Records | None = None
    """Records of the complete streams."""

    def restore(self, writer: RecordWriter) -> None:
        """Writes the kept records into a new file.

        Raises:
            OutputError: they cannot be written.
        """
        if self.kept is not None:
            writer.restore(self.kept)


def resume(config: RunConfig, specs: Sequence[SourceSpec]) -> Resumption:
    """Finds the files whose outputs are complete.

    A file is complete when its annotated video ends where the file ends and, if records are asked
    for, the existing records know it.

    Raises:
        ConfigError: there is no --output to tell by, only parts of files are to be analysed, or
            latents are asked for.
    """
    if not config.skip_existing:
        return Resumption(list(specs))
    if config.output is None:
        raise ConfigError("--skip-existing: needs --output, whose videos tell what is complete")
    if (config.start, config.duration, config.max_frames, config.loop) != (0.0, None, None, 1):
        raise ConfigError(
            "--skip-existing: takes whole files, without --start, --duration, --max-frames, --loop"
        )
    if config.latents is not None:
        raise ConfigError("--skip-existing: cannot add to --latents, whose file is written afresh")
    records = _existing_records(config.records)
    todo: list[SourceSpec] = []
    done: list[StreamInfo] = []
    for spec in specs:
        known = None if records is None else _recorded(records, spec.name)
        complete = (config.records is None or known is not None) and _is_complete(
            spec, output_path(config.output, spec.name)
        )
        if complete:
            done.append(known or StreamInfo(spec.name, spec.label, None, None, live=False))
        else:
            todo.append(spec)
    names = {info.stream for info in done}
    return Resumption(todo, tuple(done), _only(records, names) if records else None)


def _existing_records(path: Path | None) -> Records | None:
    if path is None or not path.exists():
        return None
    try:
        return read_records(path)
    except SourceError:  # unreadable: everything is analysed again
        return None


def _recorded(records: Records, stream: str) -> StreamInfo | None:
    """What the records' header knows of a stream that they hold frames of."""
    if not any(frame["stream"] == stream for frame in records.frames):
        return None
    entries = [e for e in records.header.get("streams", []) if e.get("stream") == stream]
    if not entries:
        return None
    entry: dict[str, Any] = entries[0]
    return StreamInfo(stream, entry["source"], entry.get("width"), entry.get("height"), live=False)


def _only(records: Records, streams: set[str]) -> Records:
    return Records(
        records.header,
        [frame for frame in records.frames if frame["stream"] in streams],
        [event for event in records.events if event["stream"] in streams],
    )


def _is_complete(spec: SourceSpec, output: Path) -> bool:
    if spec.kind is not SourceKind.FILE or not output.exists():
        return False
    expected, found = _length_s(spec.path), _length_s(output)
    return expected is not None and found is not None and abs(expected - found) <= _TOLERANCE_S


def _length_s(path: Path) -> float | None:
    """Seconds from a file's first frame to its last; None where it cannot be decoded."""
    try:
        with open_media_file(path) as container:
            stream = video_stream(container, path)
            first = last = next(container.decode(stream)).pts
            if container.duration is not None:
                with contextlib.suppress(FFmpegError):  # then all of it is decoded
                    container.seek((container.start_time or 0) + container.duration)
            for frame in container.decode(stream):
                last = max(last, frame.pts)
            return float((last - first) * stream.time_base)
    except (SourceError, FFmpegError, StopIteration, TypeError):  # TypeError: a frame without PTS
        return None
