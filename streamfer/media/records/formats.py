"""The formats that records are written in and read from: JSONL and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from streamfer.fields import FieldSpec, declared_fields
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile, write_whole
from streamfer.media.files.output_path import beside
from streamfer.media.records.schema import face_rows, frames_of_rows, row_fields

_KEYS = ("stream", "frame", "time_s")
"""Without these columns a table is none of records."""


class LineFile:
    """A text file that grows by whole lines, each on disk when `append` returns.

    Args:
        path: replaced if it exists.
        first: its first lines.

    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: ClaimedPath, first: str) -> None:
        self._file = OutputFile(path)
        self._size = 0
        try:
            self.append(first)
        except OSError:
            self._file.discard()
            raise

    def append(self, text: str) -> None:
        """Writes lines; where that fails half-way, the half is taken back.

        Raises:
            OSError: they cannot be written.
        """
        try:
            # Messages may name files in bytes that are no text.
            self._size += self._file.write(text.encode("utf-8", "replace"))
        except OSError:
            self._file.cut(self._size)
            raise

    def discard(self) -> None:
        """Closes and removes the file."""
        self._file.discard()

    def close(self) -> None:
        """Closes the file; closing twice is fine."""
        self._file.close()


def to_line(record: Mapping[str, Any]) -> str:
    """A JSON object on one line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


class JsonlRecords:
    """Records as JSON lines: the header, then frames and events in order."""

    def __init__(self, path: ClaimedPath, header: Mapping[str, Any]) -> None:
        self._lines = LineFile(path, to_line(header))

    def frame(self, record: Mapping[str, Any]) -> None:
        """Appends one frame's record."""
        self._lines.append(to_line(record))

    def event(self, record: Mapping[str, Any]) -> None:
        """Appends one event."""
        self._lines.append(to_line(record))

    def close(self) -> None:
        """Closes the file."""
        self._lines.close()


class EventLines:
    """Events beside a table, as JSON lines; the file exists only if there are any."""

    def __init__(self, path: ClaimedPath) -> None:
        self._path = ClaimedPath(beside(path, "events.jsonl"))
        self._path.unlink(missing_ok=True)
        self._lines: LineFile | None = None

    def append(self, record: Mapping[str, Any]) -> None:
        """Appends one event."""
        if self._lines is None:
            self._lines = LineFile(self._path, to_line(record))
        else:
            self._lines.append(to_line(record))

    def close(self) -> None:
        """Closes the file, if there is one."""
        if self._lines is not None:
            self._lines.close()


class CsvRecords:
    """Records as CSV: one row per face, the header in `….header.json` beside it."""

    def __init__(self, path: ClaimedPath, header: Mapping[str, Any]) -> None:
        self._fields = row_fields(declared_fields(header))
        self._events = EventLines(path)
        columns = [name for spec in self._fields for name in spec.cell_names]
        self._lines = LineFile(path, ",".join(columns) + "\n")
        try:
            text = json.dumps(header, indent=2) + "\n"
            write_whole(ClaimedPath(beside(path, "header.json")), text.encode())
        except OSError:
            self._lines.discard()
            raise

    def frame(self, record: Mapping[str, Any]) -> None:
        """Appends one frame's rows."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(
            [cell for spec in self._fields for cell in spec.cells(row[spec.name])]
            for row in face_rows(record, self._fields)
        )
        self._lines.append(text.getvalue())

    def event(self, record: Mapping[str, Any]) -> None:
        """Appends one event to the file of events."""
        self._events.append(record)

    def close(self) -> None:
        """Closes the files."""
        self._lines.close()
        self._events.close()


def read_lines(path: Path, marker: bytes = b"") -> Iterator[dict[str, Any]]:
    """The JSON objects of a JSONL file; a last line without its end is passed over.

    Args:
        path: the file.
        marker: lines without these bytes are passed over unread.

    Raises:
        ValueError: a line is no JSON object; says which.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            if marker not in line:
                continue
            try:
                record = _parsed(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON ({error.msg})") from error
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield record


def _parsed(line: bytes) -> Any:
    """A line's value: hours of many faces are gigabytes, which orjson reads four times as fast."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:  # stricter than others: NaN, half characters
        try:
            return json.loads(line)
        except RecursionError as error:
            raise json.JSONDecodeError("nested too deeply", "", 0) from error


def read_csv_frames(path: Path, header: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The frame records of a CSV file; a last line without its end is passed over.

    Columns that this program or the header doesn't know are taken as they look.

    Args:
        path: the file.
        header: beside it.

    Raises:
        ValueError: columns are missing, a cell is no number, or what is there is no CSV.
    """
    with open(path, "rb") as file:
        rows = _rows(csv.reader(_whole_lines(file)))
        names = next(rows, [])
        missing = [name for name in _KEYS if name not in names]
        if missing:
            raise ValueError(f"columns are missing: {', '.join(missing)}")
        yield from frames_of_rows(_parsed_rows(rows, names, row_fields(declared_fields(header))))


def _rows(reader: Iterator[list[str]]) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:  # which is no ValueError
        raise ValueError(f"it is no CSV: {error}") from error


def _whole_lines(file: Iterable[bytes]) -> Iterator[str]:
    return (line.decode() for line in file if line.endswith(b"\n"))


def _parsed_rows(
    rows: Iterator[list[str]], names: Sequence[str], fields: Sequence[FieldSpec]
) -> Iterator[dict[str, Any]]:
    places = {name: place for place, name in enumerate(names)}
    known = [spec for spec in fields if all(name in places for name in spec.cell_names)]
    unknown = set(names).difference(*(spec.cell_names for spec in known))
    for row in rows:
        if len(row) != len(names):
            if next(rows, None) is None:  # cut inside a quoted cell
                return
            raise ValueError(f"line {len(row)} cells long, not {len(names)}")
        parsed: dict[str, Any] = {
            spec.name: spec.of_cells([row[places[name]] for name in spec.cell_names])
            for spec in known
        }
        yield parsed | {name: _guessed(row[places[name]]) for name in unknown}


def _guessed(cell: str) -> int | float | str | None:
    """What a cell of an unknown column looks like."""
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    return cell or None
