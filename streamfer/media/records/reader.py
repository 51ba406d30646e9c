"""Reading records back, whatever their format, a frame at a time.

Fields that a file lacks are left out of its objects, fields that this program doesn't know stay in
them, so that files of older and newer versions can be read.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from streamfer.errors import ConfigError, SourceError
from streamfer.media.files.output_path import beside, continuations, reason
from streamfer.media.records.formats import read_csv_frames, read_lines
from streamfer.media.records.progress import Progress
from streamfer.media.records.schema import RECORD_SUFFIXES

if TYPE_CHECKING:
    import pandas
    import pyarrow

_log = logging.getLogger(__name__)

Record = dict[str, Any]


class FrameRecords(Sequence[Record]):
    """The frames of records files, read anew whenever they are gone through.

    Nothing is kept, so that hours with many faces take no memory; the n-th frame is found by
    reading those before it.

    Raises:
        SourceError: while reading: a file is damaged.
    """

    def __init__(self, frames: Callable[[], Iterator[Record]]) -> None:
        self._frames = frames
        self._length: int | None = None

    def __iter__(self) -> Iterator[Record]:
        return self._frames()

    def __len__(self) -> int:
        if self._length is None:
            self._length = sum(1 for _ in self)
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return list(self)[index]
        place = index if index >= 0 else len(self) + index
        for frame in islice(self, place, None) if place >= 0 else ():
            return frame
        raise IndexError(f"record {index} of {len(self)}")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class Records:
    """Records files read back: objects as in JSONL.

    Args:
        parts: the files, in the order of time.
    """

    def __init__(self, parts: Sequence[_RecordFile]) -> None:
        self._parts = parts
        self.header = _joined_header([part.header for part in parts])
        """Of the first file, with the streams of all of them."""
        self.frames = FrameRecords(lambda: chain.from_iterable(p.frames() for p in parts))
        """One object for each analysed frame, in order; read from the files as they are used."""

    @cached_property
    def events(self) -> list[Record]:
        """What happened, in order."""
        return [event for part in self._parts for event in part.events()]

    def to_table(self, columns: Sequence[str] | None = None) -> pyarrow.Table:
        """One row per face, and one of nulls for a frame without: the rows of a Parquet file.

        Args:
            columns: some of the fields; by default those of every run and those that the header
                declares. Few of them take little memory, however long the records are.

        Raises:
            ConfigError: pyarrow is not installed, or a column is unknown.
            SourceError: a file is damaged.
        """
        _demand("pyarrow", "to_table")
        import pyarrow as pa

        from streamfer.media.records.parquet import table_batches, table_schema

        schema = table_schema(self.header)
        unknown = [name for name in columns or () if name not in schema.names]
        if unknown:
            raise ConfigError(
                f"to_table: no column {unknown[0]!r}; there are {', '.join(schema.names)}"
            )
        wanted = schema.names if columns is None else list(columns)
        with _readable(self._parts[0].path):
            batches = (b.select(wanted) for b in table_batches(self.header, self.frames))
            return pa.Table.from_batches(batches, pa.schema([schema.field(n) for n in wanted]))

    def to_pandas(self, columns: Sequence[str] | None = None) -> pandas.DataFrame:
        """The same as a pandas data frame.

        Raises:
            ConfigError: pandas or pyarrow is not installed, or a column is unknown.
            SourceError: a file is damaged.
        """
        _demand("pandas", "to_pandas")
        return self.to_table(columns).to_pandas()


def read_records(*paths: str | Path, segments: bool = False) -> Records:
    """Opens records files, or the journals of unfinished Parquet files.

    Args:
        paths: one or several files, in the order of time; `.jsonl`, `.csv` or `.parquet`.
        segments: whether the files that `--segment` made follow each: `talk.1.jsonl`, …. Those of
            another run are left out and named in a warning. Files of older versions don't name
            their run: of these, each but the last is read to its end, and what does not begin
            after it is left out.

    Returns:
        The records; frames are read when they are asked for. A last line without its end, which a
        killed run leaves, is passed over.

    Raises:
        ConfigError: a suffix names no format, or there is no path.
        SourceError: a file cannot be read, or is not a records file, or two have other labels.
    """
    if not paths:
        raise ConfigError("read_records: name a records file")
    parts = [part for path in paths for part in _parts_of(Path(path), segments)]
    for part in parts:
        if part.header.get("labels") != parts[0].header.get("labels"):
            raise SourceError(f"{part.path}: has other labels than {parts[0].path}")
    return Records(parts)


class _RecordFile(Protocol):
    """One records file of some format; raises SourceError where it is damaged."""

    path: Path
    header: Mapping[str, Any]

    def frames(self) -> Iterator[Record]: ...

    def events(self) -> Iterator[Record]: ...


class _Jsonl:
    """Header, frames and events in one file; `path` is what the user named."""

    def __init__(self, path: Path, file: Path) -> None:
        self.path = path
        self._file = file
        with _readable(path):
            header = next(read_lines(file), None)
            if header is None or "schema" not in header:
                raise ValueError("its first line is no header")
        self.header: Mapping[str, Any] = header

    def frames(self) -> Iterator[Record]:
        with _readable(self.path):
            for line in islice(read_lines(self._file), 1, None):
                if "event" not in line:
                    yield line

    def events(self) -> Iterator[Record]:
        with _readable(self.path):
            # A name may hold these bytes too, hence the second look.
            yield from (e for e in read_lines(self._file, b'"event"') if "event" in e)


class _Table:
    """Rows in one file, the events beside it."""

    def __init__(self, path: Path, header: Record, read: Callable[[], Iterator[Record]]) -> None:
        self.path = path
        self.header: Mapping[str, Any] = header
        self._read = read

    def frames(self) -> Iterator[Record]:
        with _readable(self.path):
            yield from self._read()

    def events(self) -> Iterator[Record]:
        events = beside(self.path, "events.jsonl")
        with _readable(events):
            if os.path.exists(events):
                yield from read_lines(events)


def _opened(path: Path) -> _RecordFile:
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        return _Jsonl(path, path)
    if suffix == ".csv":
        with _readable(path):
            path.stat()
        with _readable(beside(path, "header.json")):
            header = json.loads(beside(path, "header.json").read_text("utf-8"))
            if not isinstance(header, dict) or "schema" not in header:
                raise ValueError("it is no header")
        return _Table(path, header, lambda: read_csv_frames(path, header))
    if suffix == ".parquet":
        return _opened_parquet(path)
    raise ConfigError(f"{path}: records end in {', '.join(RECORD_SUFFIXES)}")


def _opened_parquet(path: Path) -> _RecordFile:
    _demand("pyarrow", str(path))
    from streamfer.media.records.parquet import (
        journal_path,
        read_parquet_frames,
        read_parquet_header,
    )

    if os.path.exists(journal_path(path)):
        return _Jsonl(path, journal_path(path))
    with _readable(path):
        header = read_parquet_header(path)
    return _Table(path, header, lambda: read_parquet_frames(path))


def _parts_of(path: Path, segments: bool) -> list[_RecordFile]:
    """A records file and, if wanted, its continuations."""
    parts = [_opened(path)]
    progress, read = Progress(parts[0].header), 0
    for _, following in continuations(path) if segments else ():
        for part in () if progress.knows_run else parts[read:]:
            with _readable(part.path):
                for frame in part.frames():
                    progress.add(frame)
        read = len(parts)
        part = _opened(following)
        with _readable(following):
            goes_on = progress.goes_on(part.header, next(part.frames(), None))
        if goes_on:
            parts.append(part)
        else:
            _log.warning("%s: left out; it does not go on from %s", following, parts[-1].path.name)
    return parts


def _joined_header(headers: Sequence[Mapping[str, Any]]) -> Record:
    if len(headers) == 1:
        return dict(headers[0])
    streams: dict[Any, Any] = {}
    fields: dict[Any, Any] = {}
    for header in headers:
        for key, found in (("streams", streams), ("fields", fields)):
            entries = header.get(key)
            for entry in entries if isinstance(entries, list) else []:
                if isinstance(entry, dict):
                    found[entry.get("stream" if key == "streams" else "name")] = entry
    joined = dict(headers[0])
    if streams:
        joined["streams"] = list(streams.values())
    return joined | ({"fields": list(fields.values())} if fields else {})


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: cannot read the records ({reason(error)})") from error


def _demand(package: str, what: str) -> None:
    if find_spec(package) is None:
        raise ConfigError(f"{what}: needs {package}; type: pip install {package}")
