"""Reads files of latents, a group of rows at a time. Loads pyarrow, which takes a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.errors import SourceError
from streamfer.media.files.output_path import latents_journal_path
from streamfer.media.records.latents import LATENTS_SCHEMA
from streamfer.types import FloatArray

_ROWS = 4096
"""Rows in memory at a time: 21 MB of codes at ten layers of 128."""


@dataclass(frozen=True, slots=True, eq=False)
class LatentRows:
    """Some rows of a file, of one face in one frame each."""

    streams: list[str]
    tracks: npt.NDArray[np.int64]
    """(N,)."""
    frames: npt.NDArray[np.int64]
    """(N,)."""
    times_s: npt.NDArray[np.float64]
    """(N,) seconds of media time."""
    codes: FloatArray = field(repr=False)
    """(N, num_ws · w_dim) float32."""


class LatentFile:
    """A file that `--latents` wrote.

    Args:
        path: of the Parquet file.

    Raises:
        SourceError: it cannot be read, is no such file, or is not complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if os.path.isdir(path):
            raise SourceError(f"{path}: is a folder; name a file that --latents wrote")
        if os.path.exists(latents_journal_path(path)):
            raise SourceError(f"{path}: is not complete; type: streamfer complete {path}")
        try:
            self._file = pq.ParquetFile(path)
            metadata = self._file.schema_arrow.metadata or {}
            if metadata.get(b"schema") != LATENTS_SCHEMA.encode():
                raise SourceError(f"{path}: holds no latents; name a file that --latents wrote")
            self.code_shape = int(metadata[b"num_ws"]), int(metadata[b"w_dim"])
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise _failure(path, error) from error

    def rows(self) -> Iterator[LatentRows]:
        """All rows with a code, in the order of the file.

        Raises:
            SourceError: the file is damaged.
        """
        num_ws, w_dim = self.code_shape
        columns = ["stream", "track", "frame", "time_s", "latent"]
        try:
            for batch in self._file.iter_batches(_ROWS, columns=columns):
                codes = batch["latent"].flatten().to_numpy(zero_copy_only=False)
                yield LatentRows(
                    batch["stream"].to_pylist(),
                    batch["track"].to_numpy(zero_copy_only=False),
                    batch["frame"].to_numpy(zero_copy_only=False),
                    batch["time_s"].to_numpy(zero_copy_only=False),
                    codes.astype(np.float32).reshape(batch.num_rows, num_ws * w_dim),
                )
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise _failure(self.path, error) from error

    def streams(self) -> list[str]:
        """The names of the streams whose faces are in it.

        Raises:
            SourceError: the file is damaged.
        """
        try:
            names = self._file.read(columns=["stream"])["stream"].unique().to_pylist()
            return [str(name) for name in names]
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise _failure(self.path, error) from error

    def close(self) -> None:
        """Closes the file; closing twice is fine."""
        self._file.close()


def _failure(path: Path, error: Exception) -> SourceError:
    said = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return SourceError(f"{path}: cannot read the latents ({said})")
