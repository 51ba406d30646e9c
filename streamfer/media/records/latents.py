"""Latent codes of faces as Parquet, journalled while running. Loads pyarrow, which takes a while.

Latents are biometric data: a face can be recognised by them. They are written only when asked for.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from streamfer.errors import OutputError
from streamfer.media.files.claims import ClaimedPath, OutputClaims
from streamfer.media.files.output_file import OutputFile
from streamfer.media.files.output_path import (
    check_latents_path,
    latents_companions,
    latents_journal_path,
    reason,
)
from streamfer.media.files.parquet_file import parquet_file
from streamfer.media.files.series import FileSeries
from streamfer.types import FaceResult, FloatArray, FrameResult

LATENTS_SCHEMA = "streamfer.latents/1"
"""What the metadata of such a file says it is."""
_SEEN_KEY = b"streams"
_ROWS_PER_GROUP = 1000
"""About 20 MB while a group is made, at ten layers of 512."""


class LatentWriter:
    """The latents of a run, one row per face and frame, shared by all streams.

    Columns: `stream`, `track`, `frame`, `time_s` (as in the records) and `latent`, the W+ code row
    after row; its shape is in the file's metadata as `num_ws` and `w_dim`.

    Args:
        path: where to; how it is named, and what is replaced, says `FileSeries`.
        live: whether a stream among them cannot be played again.
        claims: the run's; None where nothing else is written.

    Raises:
        ConfigError: the suffix is not `.parquet`.
        OutputError: the path cannot be written.
    """

    def __init__(self, path: Path, live: bool = False, claims: OutputClaims | None = None) -> None:
        check_latents_path(path)
        self.live = live
        series = FileSeries(claims or OutputClaims(), path, live, latents_companions)
        self._lock = threading.Lock()
        self._schema: pa.Schema | None = None
        self._shape: tuple[int, ...] | None = None
        """Of the codes that are in it; an earlier run's generator may have had others."""
        self._size = 0
        self._closed = False
        self._seen: dict[str, tuple[int, float]] = {}
        try:
            self.path = series.next()
            self.name = str(self.path)
            file = OutputFile(self.path)  # finds out now whether it can be written
            try:
                self._journal = OutputFile(ClaimedPath(latents_journal_path(self.path)))
            except OSError:
                file.discard()
                raise
            file.close()
        except OSError as error:
            raise _failure(path, error) from error

    def write(self, result: FrameResult) -> None:
        """Appends the latents of one frame's faces, where they have some.

        Raises:
            OutputError: they cannot be written; what was written stays.
        """
        faces = [(f, f.latent) for f in result.faces if f.latent is not None]
        frame = result.frame
        with self._lock:
            if self._closed:
                return
            if faces:
                self._check_shape(faces[0][1].shape)
                self._append(self._message(result, faces))
            count, _ = self._seen.get(frame.stream, (0, 0.0))
            self._seen[frame.stream] = (count + 1, round(frame.time_s, 6))

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        self._shape = self._shape or shape
        if shape != self._shape:
            raise OutputError(
                f"{self.path}: holds codes of {self._shape}, an earlier run's, and the run's are"
                f" of {shape}; name another file"
            )

    def _append(self, message: bytes) -> None:
        try:
            self._size += self._journal.write(message)
        except OSError as error:
            self._journal.cut(self._size)
            raise _failure(self.path, error) from error

    def restore(self, kept: KeptLatents) -> None:
        """Appends latents of an earlier run's file.

        Raises:
            OutputError: they cannot be written; what was written stays.
        """
        with self._lock:
            self._seen.update(kept.seen)
            if kept.rows.num_rows:
                metadata = kept.rows.schema.metadata
                self._shape = (int(metadata[b"num_ws"]), int(metadata[b"w_dim"]))
            for batch in kept.rows.to_batches(_ROWS_PER_GROUP):
                self._append(self._serialized(batch))

    def close(self) -> None:
        """Makes the Parquet file of the journal; closing twice is fine.

        Raises:
            OutputError: it cannot be written; the journal stays.
        """
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._journal.close()
            try:
                complete_latents(self.path, self._seen)
            except (OSError, pa.ArrowException) as error:
                if not self._size:  # then there is nothing to complete later
                    latents_journal_path(self.path).unlink(missing_ok=True)
                raise _failure(self.path, error) from error

    def _message(self, result: FrameResult, faces: list[tuple[FaceResult, FloatArray]]) -> bytes:
        """One frame's rows as a message of the journal."""
        num_ws, w_dim = faces[0][1].shape
        frame = result.frame
        rows = [
            {
                "stream": frame.stream,
                "track": face.track_id,
                "frame": frame.index,
                "time_s": round(frame.time_s, 6),
                "latent": latent.ravel(),
            }
            for face, latent in faces
        ]
        return self._serialized(pa.RecordBatch.from_pylist(rows, schema=_schema(num_ws, w_dim)))

    def _serialized(self, batch: pa.RecordBatch) -> bytes:
        """A message of the journal, the first with the schema before it."""
        head = b""
        if self._schema is None:
            self._schema = batch.schema
            head = self._schema.serialize().to_pybytes()
        return head + batch.serialize().to_pybytes()


def _failure(path: Path, error: Exception) -> OutputError:
    return OutputError(f"{path}: cannot write the latents ({reason(error)})")


def complete_latents(
    path: ClaimedPath, seen: Mapping[str, tuple[int, float]] | None = None
) -> bool:
    """Makes a latents file of the journal that a killed run has left beside it.

    Must not be called while the run still writes.

    Args:
        path: of the Parquet file.
        seen: what `KeptLatents` says of the streams that were analysed to their end.

    Returns:
        Whether there was a journal; it is gone then.

    Raises:
        OSError: the file cannot be written; the journal stays, and no half of a file.
        ValueError: the journal is damaged; it stays.
    """
    journal = latents_journal_path(path)
    if not os.path.exists(journal):
        return False
    with pa.OSFile(str(journal)) as file:
        batches = _batches(file)
        first = next(batches, None)
        schema = _schema(0, 0) if first is None else first.schema
        if seen:
            schema = schema.with_metadata({**schema.metadata, _SEEN_KEY: json.dumps(seen)})
        with parquet_file(path, schema) as writer:
            if first is not None:
                writer.write_batch(first.replace_schema_metadata(schema.metadata))
            while group := list(islice(batches, _ROWS_PER_GROUP)):
                table = pa.Table.from_batches(group)
                writer.write_table(table.replace_schema_metadata(schema.metadata))
    journal.unlink()
    return True


@dataclass(frozen=True, slots=True, eq=False)
class KeptLatents:
    """A file of latents read back, with what it holds all of."""

    rows: pa.Table = field(repr=False)
    seen: Mapping[str, tuple[int, float]]
    """By stream: how many frames were analysed, with faces or without, and when the last one is."""

    def only(self, streams: set[str]) -> KeptLatents:
        """What it holds of some streams."""
        wanted = pa.array(sorted(streams), pa.string())
        metadata = {k: v for k, v in self.rows.schema.metadata.items() if k != _SEEN_KEY}
        rows = self.rows.filter(pc.is_in(self.rows["stream"], wanted))
        return KeptLatents(
            rows.replace_schema_metadata(metadata),
            {name: seen for name, seen in self.seen.items() if name in streams},
        )


def read_kept_latents(path: Path) -> KeptLatents | None:
    """Reads a file of latents that was completed by its run; None where there is none such."""
    if not os.path.exists(path) or os.path.exists(latents_journal_path(path)):
        return None
    try:
        rows = pq.read_table(path)
        seen = json.loads(rows.schema.metadata[_SEEN_KEY])
        return KeptLatents(rows, {name: (count, last) for name, (count, last) in seen.items()})
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return None


_MESSAGE = b"\xff\xff\xff\xff"
"""Begins every message of Arrow's streams."""


def _schema(num_ws: int, w_dim: int) -> pa.Schema:
    return pa.schema(
        [
            ("stream", pa.string()),
            ("track", pa.int64()),
            ("frame", pa.int64()),
            ("time_s", pa.float64()),
            ("latent", pa.list_(pa.float32())),
        ],
        metadata={"schema": LATENTS_SCHEMA, "num_ws": str(num_ws), "w_dim": str(w_dim)},
    )


def _batches(file: pa.NativeFile) -> Iterator[pa.RecordBatch]:
    """The whole messages of a journal; a torn last one is passed over.

    Raises:
        ValueError: it is damaged before its end, or no journal at all.
    """
    schema: pa.Schema | None = None
    size = file.size()
    while (place := file.tell()) < size:
        try:
            message = pa.ipc.read_message(file)
            if schema is None:
                schema = pa.ipc.read_schema(message)
                continue
            batch = pa.ipc.read_record_batch(message, schema)
        except (pa.ArrowException, EOFError, OSError, ValueError) as error:
            if _is_torn_end(file, place):
                return
            raise ValueError(f"at byte {place}: {error}") from error
        yield batch


def _is_torn_end(file: pa.NativeFile, place: int) -> bool:
    """Whether what begins there is the start of a message, or nothing but zeros, and the last."""
    file.seek(place)
    rest = file.read()
    if rest[: len(_MESSAGE)] not in (_MESSAGE[: len(rest)], bytes(min(len(rest), len(_MESSAGE)))):
        return False
    found = rest.find(_MESSAGE, 1)
    while found >= 0:
        with contextlib.suppress(pa.ArrowException, EOFError, OSError, ValueError):
            pa.ipc.read_message(pa.py_buffer(rest[found:]))
            return False
        found = rest.find(_MESSAGE, found + 1)
    return True
