"""Writing records: what was found, frame by frame, as JSONL, CSV or Parquet.

The file's suffix chooses the format. Every record is on disk before the next one is made, so that
a killed run leaves whole lines.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from operator import methodcaller
from pathlib import Path
from typing import Any, Protocol

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import ClaimedPath, OutputClaims
from streamfer.media.files.output_path import beside, check_folder, reason
from streamfer.media.files.series import FileSeries
from streamfer.media.records.formats import CsvRecords, JsonlRecords
from streamfer.media.records.schema import RECORD_SUFFIXES, ModelInfo, RecordHeader, stream_entry
from streamfer.types import Frame, FrameResult, StreamEvent, StreamInfo

__all__ = [
    "ModelInfo",
    "RecordHeader",
    "RecordWriter",
    "check_records_path",
    "open_records",
]


class RecordFile(Protocol):
    """One records file of some format; raises OSError where it cannot be written."""

    def frame(self, record: Mapping[str, Any]) -> None:
        """Appends one frame's record."""
        ...

    def event(self, record: Mapping[str, Any]) -> None:
        """Appends one event."""
        ...

    def close(self) -> None:
        """Completes the file."""
        ...


class RecordWriter:
    """The records of a run, shared by all its streams: any thread may write.

    Args:
        path: the (first) file; how it is named, and what is replaced, says `FileSeries`.
        header: what holds for all records.
        claims: the run's; None where nothing else is written.

    Raises:
        OutputError: the path cannot be written.
    """

    def __init__(
        self, path: Path, header: RecordHeader, claims: OutputClaims | None = None
    ) -> None:
        check_records_path(path)
        self.name = str(path)
        self._path = path
        self._header = header.to_json()
        self._series = FileSeries(
            claims or OutputClaims(),
            path,
            live=any(stream.unrepeatable for stream in header.streams),
            companions=record_companions,
            stream=header.streams[0].stream if len(header.streams) == 1 else None,
        )
        self._lock = threading.Lock()
        self._closed = False
        self._file = self._start_file()

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files written so far."""
        return tuple(self._series.paths)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the run's summary has to say about this output."""
        return () if self._series.note is None else (self._series.note,)

    def write(self, result: FrameResult) -> None:
        """Appends one analysed frame.

        Raises:
            OutputError: it cannot be written; whole records stay.
        """
        self._append(methodcaller("frame", result.record))

    def event(self, event: StreamEvent) -> None:
        """Appends something that happened.

        Raises:
            OutputError: it cannot be written; whole records stay.
        """
        self._append(methodcaller("event", event.to_dict()))
        self._learn_size(event)

    def join(self, stream: StreamInfo) -> None:
        """Takes in a stream that joins the run: files begun from now on name it.

        A camera that joins a film begins a file, which the next run does not replace.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            self._header["streams"].append(stream_entry(stream))
            replaced = stream.unrepeatable and self._series.become_live()
        if replaced:
            self.roll()

    def restore(
        self, frames: Iterable[Mapping[str, Any]], events: Iterable[Mapping[str, Any]]
    ) -> None:
        """Appends frames and events of an earlier run's file.

        Raises:
            OutputError: they cannot be written; whole records stay.
        """
        for frame in frames:
            self._append(methodcaller("frame", frame))
        for event in events:
            self._append(methodcaller("event", event))

    def roll(self, frame: Frame | None = None) -> None:
        """Completes the current file and goes on in a new one (`talk.1.jsonl`, …).

        Args:
            frame: the first one of the new file, which may be named by it; None: not known yet.

        Raises:
            OutputError: one of the two cannot be written.
        """
        with self._lock:
            if self._closed:
                return
            self._guarded(self._file.close)
            self._file = self._start_file(frame)

    def close(self) -> None:
        """Completes the records; closing twice is fine.

        Raises:
            OutputError: they cannot be completed.
        """
        with self._lock:
            if not self._closed:
                self._closed = True
                self._guarded(self._file.close)

    def _learn_size(self, event: StreamEvent) -> None:
        """Files begun from now on state the sizes that live streams have turned out to have."""
        if not {"width", "height"} <= event.details.keys():
            return
        with self._lock:
            for stream in self._header["streams"]:
                if stream["stream"] == event.stream:
                    stream["width"] = event.details["width"]
                    stream["height"] = event.details["height"]

    def _append(self, write: Callable[[RecordFile], None]) -> None:
        with self._lock:
            if not self._closed:
                self._guarded(lambda: write(self._file))

    def _start_file(self, frame: Frame | None = None) -> RecordFile:
        opened: list[RecordFile] = []

        def start() -> None:
            path = self._series.next(frame)
            opened.append(_format_of(path)(path, self._header))

        self._guarded(start)
        return opened[0]

    def _guarded(self, action: Callable[[], object]) -> None:
        try:
            action()
        except (OSError, ValueError) as error:
            raise OutputError(
                f"{self._path}: cannot write the records ({reason(error)})"
            ) from error


def check_records_path(path: Path) -> None:
    """Finds out before a run whether records can be written there.

    Raises:
        ConfigError: the suffix names no format.
        OutputError: the folder is missing, or the path is one.
    """
    if path.suffix.lower() not in RECORD_SUFFIXES:
        raise ConfigError(
            f"{path}: records are written as {', '.join(RECORD_SUFFIXES)}; "
            "the name must end in one of them"
        )
    check_folder(path, "records")


def record_companions(path: Path) -> tuple[Path, ...]:
    """What is written beside a records file."""
    endings = {
        ".csv": ("header.json", "events.jsonl"),
        ".parquet": ("journal.jsonl", "events.jsonl"),
    }
    return tuple(beside(path, ending) for ending in endings.get(path.suffix.lower(), ()))


def open_records(
    path: Path, header: RecordHeader, claims: OutputClaims | None = None
) -> RecordWriter:
    """Starts the records of a run; the suffix of `path` chooses the format.

    Raises:
        ConfigError: it names none.
        OutputError: the path cannot be written.
    """
    return RecordWriter(path, header, claims)


def _format_of(path: Path) -> Callable[[ClaimedPath, Mapping[str, Any]], RecordFile]:
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from streamfer.media.records.parquet import ParquetRecords  # pyarrow takes 0.2 s to import

        return ParquetRecords
    return CsvRecords if suffix == ".csv" else JsonlRecords
