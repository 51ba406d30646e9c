"""Records as Parquet, journalled while running."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.fields import FieldKind, declared_fields
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import beside
from streamfer.media.files.parquet_file import parquet_file
from streamfer.media.records.formats import EventLines, JsonlRecords, read_lines
from streamfer.media.records.schema import face_rows, frames_of_rows, row_fields

_HEADER_KEY = b"streamfer.header"
_ROWS_PER_GROUP = 20_000
"""About 10 MB of memory while a group is made."""
_ROWS_PER_READ = 2_000
"""Rows that are objects at the same time while a file is read."""

_NUMBERS = pa.list_(pa.float64())
_TYPES: dict[FieldKind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "flag": pa.bool_(),
    "numbers": _NUMBERS,
    "points": pa.list_(_NUMBERS),
}


def table_schema(header: Mapping[str, Any]) -> pa.Schema:
    """The columns of records as a table: those of every run, then what the header declares."""
    fields = row_fields(declared_fields(header))
    return pa.schema([(spec.name, _TYPES[spec.kind]) for spec in fields])


def journal_path(path: Path) -> Path:
    """Where the records of an unfinished Parquet file are: in a JSONL records file beside it."""
    return beside(path, "journal.jsonl")


class ParquetRecords:
    """Records as Parquet: written as JSONL first, because an unfinished Parquet file is nothing."""

    def __init__(self, path: ClaimedPath, header: Mapping[str, Any]) -> None:
        self._path = path
        file = OutputFile(path)  # finds out now whether it can be written
        try:
            self._journal = JsonlRecords(ClaimedPath(journal_path(path)), header)
        except OSError:
            file.discard()
            raise
        file.close()
        self._closed = False

    def frame(self, record: Mapping[str, Any]) -> None:
        """Appends one frame's record to the journal."""
        self._journal.frame(record)

    def event(self, record: Mapping[str, Any]) -> None:
        """Appends one event to the journal."""
        self._journal.event(record)

    def close(self) -> None:
        """Makes the Parquet file of the journal."""
        if self._closed:
            return
        self._closed = True
        self._journal.close()
        complete_journal(self._path)


def complete_journal(path: ClaimedPath) -> bool:
    """Makes a Parquet records file of the journal that a killed run has left beside it.

    Must not be called while the run still writes.

    Args:
        path: of the Parquet file.

    Returns:
        Whether there was a journal; it is gone then.

    Raises:
        OSError: the file cannot be written; the journal stays, and no half of a file.
        ValueError: the journal is damaged; it stays.
    """
    journal = journal_path(path)
    if not os.path.exists(journal):
        return False
    lines = read_lines(journal)
    header = next(lines, None)
    if header is None:
        raise ValueError("the journal has no header")
    events = EventLines(path)
    with closing(events):
        write_parquet(path, header, _without_events(lines, events))
    journal.unlink()
    return True


def read_parquet_header(path: Path) -> dict[str, Any]:
    """The header in a Parquet records file's metadata.

    Raises:
        ValueError: there is none.
    """
    metadata = pq.read_schema(path).metadata or {}
    if _HEADER_KEY not in metadata:
        raise ValueError("it has no header in its metadata")
    header: dict[str, Any] = json.loads(metadata[_HEADER_KEY])
    return header


def write_parquet(
    path: ClaimedPath, header: Mapping[str, Any], frames: Iterable[Mapping[str, Any]]
) -> None:
    """Writes frame records as a Parquet file.

    Args:
        path: replaced if it exists; nothing is there if this fails.
        header: goes into its metadata.
        frames: the records, in order.

    Raises:
        OSError: it cannot be written.
        ValueError: a field has another type than its column.
    """
    metadata = {_HEADER_KEY: json.dumps(header)}
    schema = table_schema(header)
    with parquet_file(path, schema.with_metadata(metadata)) as writer:
        for batch in table_batches(header, frames):
            writer.write_batch(batch)


def table_batches(
    header: Mapping[str, Any], frames: Iterable[Mapping[str, Any]]
) -> Iterator[pa.RecordBatch]:
    """Frame records as batches of rows, one per face.

    Raises:
        ValueError: a field has another type than its column.
    """
    schema = table_schema(header)
    fields = row_fields(declared_fields(header))
    rows = iter(row for frame in frames for row in face_rows(frame, fields))
    while group := list(islice(rows, _ROWS_PER_GROUP)):
        try:
            yield pa.RecordBatch.from_pylist(group, schema=schema)
        except pa.ArrowTypeError as error:
            raise ValueError(f"a field has another type than its column ({error})") from error


def read_parquet_frames(path: Path) -> Iterator[dict[str, Any]]:
    """The frame records of a Parquet file, columns that this program doesn't know included.

    Raises:
        ValueError: it is damaged, or columns are missing.
    """
    with pq.ParquetFile(path) as file:
        missing = [name for name in ("stream", "frame", "time_s") if name not in file.schema.names]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        batches = file.iter_batches(batch_size=_ROWS_PER_READ)
        yield from frames_of_rows(row for batch in batches for row in batch.to_pylist())


def _without_events(
    records: Iterable[Mapping[str, Any]], events: EventLines
) -> Iterator[Mapping[str, Any]]:
    for record in records:
        if "event" in record:
            events.append(record)
        else:
            yield record
