"""Records as Parquet, journalled while running."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import beside
from streamfer.media.files.parquet_file import parquet_file
from streamfer.media.records.formats import EventLines, JsonlRecords, read_lines
from streamfer.media.records.schema import face_rows, frames_of_rows

_HEADER_KEY = b"streamfer.header"
_ROWS_PER_GROUP = 20_000
"""About 10 MB of memory while a group is made."""

_NUMBERS = pa.list_(pa.float64())
_COLUMNS = pa.schema(
    [
        ("stream", pa.string()),
        ("frame", pa.int64()),
        ("time_s", pa.float64()),
        ("wall", pa.string()),
        ("dropped", pa.int64()),
        ("track", pa.int64()),
        ("box", _NUMBERS),
        ("score", pa.float64()),
        ("landmarks", pa.list_(_NUMBERS)),
        ("emotion", pa.string()),
        ("probs", _NUMBERS),
        ("smoothed", _NUMBERS),
        ("latent", pa.string()),
        ("reconstruction_error", pa.float64()),
        ("refined_age_s", pa.float64()),
        ("trust", pa.float64()),
    ]
)


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
    if not journal.exists():
        return False
    lines = read_lines(journal)
    header = next(lines, None)
    if header is None:
        raise ValueError("the journal has no header")
    events = EventLines(path)
    schema = _COLUMNS.with_metadata({_HEADER_KEY: json.dumps(header)})
    with closing(events), parquet_file(path, schema) as writer:
        for group in _batched(_rows(lines, events), _ROWS_PER_GROUP):
            writer.write_table(pa.Table.from_pylist(group, schema=_COLUMNS))
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


def read_parquet_frames(path: Path) -> Iterator[dict[str, Any]]:
    """The frame records of a Parquet file."""
    with pq.ParquetFile(path) as file:
        batches = file.iter_batches(columns=_COLUMNS.names)
        yield from frames_of_rows(row for batch in batches for row in batch.to_pylist())


def _rows(records: Iterable[Mapping[str, Any]], events: EventLines) -> Iterator[dict[str, Any]]:
    for record in records:
        if "event" in record:
            events.append(record)
        else:
            yield from face_rows(record)


def _batched(rows: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    rows = iter(rows)
    while group := list(islice(rows, size)):
        yield group
