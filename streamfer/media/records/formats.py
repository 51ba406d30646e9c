"""The formats that records are written in and read from: JSONL and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from streamfer.labels import LABELS
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import OutputFile, write_whole
from streamfer.media.files.output_path import beside
from streamfer.media.records.schema import (
    FACE_FIELDS,
    FRAME_FIELDS,
    LANDMARK_NAMES,
    face_rows,
    frames_of_rows,
)

_SPREAD: dict[str, tuple[str, ...]] = {
    "box": tuple(f"box_{edge}" for edge in ("x1", "y1", "x2", "y2")),
    "landmarks": tuple(f"landmark_{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy"),
    "probs": tuple(f"prob_{label}" for label in LABELS),
    "smoothed": tuple(f"smoothed_{label}" for label in LABELS),
}
"""List fields and the CSV columns of their elements."""
CSV_COLUMNS: tuple[str, ...] = tuple(
    column for name in (*FRAME_FIELDS, *FACE_FIELDS) for column in _SPREAD.get(name, (name,))
)
_TEXT_FIELDS = {"stream", "wall", "emotion", "latent"}
_INTEGER_FIELDS = {"frame", "dropped", "track"}


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
            self._size += self._file.write(text.encode())
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
        self._events = EventLines(path)
        self._lines = LineFile(path, ",".join(CSV_COLUMNS) + "\n")
        try:
            text = json.dumps(header, indent=2) + "\n"
            write_whole(ClaimedPath(beside(path, "header.json")), text.encode())
        except OSError:
            self._lines.discard()
            raise

    def frame(self, record: Mapping[str, Any]) -> None:
        """Appends one frame's rows."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(_cells(row) for row in face_rows(record))
        self._lines.append(text.getvalue())

    def event(self, record: Mapping[str, Any]) -> None:
        """Appends one event to the file of events."""
        self._events.append(record)

    def close(self) -> None:
        """Closes the files."""
        self._lines.close()
        self._events.close()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The JSON objects of a JSONL file; a last line without its end is passed over.

    Raises:
        ValueError: a line is no JSON object; says which.
    """
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith("\n"):
                return
            try:
                record = json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number} is not JSON ({error.msg})") from error
            if not isinstance(record, dict):
                raise ValueError(f"line {number} is not a JSON object")
            yield record


def read_csv_frames(path: Path) -> Iterator[dict[str, Any]]:
    """The frame records of a CSV file.

    Raises:
        ValueError: columns are missing or a cell is no number.
    """
    with open(path, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = set(CSV_COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f"columns are missing: {', '.join(sorted(missing))}")
        yield from frames_of_rows(_row_of_cells(cells) for cells in reader)


def _cells(row: Mapping[str, Any]) -> list[Any]:
    cells: list[Any] = []
    for name, value in row.items():
        columns = _SPREAD.get(name)
        if columns is None:
            cells.append(value)
        elif value is None:
            cells.extend([None] * len(columns))
        elif name == "landmarks":
            cells.extend(number for point in value for number in point)
        else:
            cells.extend(value)
    return cells


def _row_of_cells(cells: Mapping[str, str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in (*FRAME_FIELDS, *FACE_FIELDS):
        columns = _SPREAD.get(name)
        if columns is None:
            row[name] = _parsed(name, cells[name])
        elif not cells[columns[0]]:
            row[name] = None
        else:
            numbers = [float(cells[column]) for column in columns]
            row[name] = _pairs(numbers) if name == "landmarks" else numbers
    return row


def _pairs(numbers: list[float]) -> list[list[float]]:
    return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def _parsed(name: str, text: str) -> Any:
    if not text:
        return None
    if name in _TEXT_FIELDS:
        return text
    return int(text) if name in _INTEGER_FIELDS else float(text)
