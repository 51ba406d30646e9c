"""A Parquet file that is whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamfer.media.files.claims import ClaimedPath


@contextmanager
def parquet_file(path: ClaimedPath, schema: pa.Schema) -> Iterator[Any]:
    """Opens a Parquet file for writing; where that fails half-way, the half is removed.

    Yields:
        The `pyarrow.parquet.ParquetWriter`.

    Raises:
        OSError: it cannot be written.
    """
    try:
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            yield writer
    except BaseException:
        if os.path.isfile(path):  # a link to a device is the user's
            path.unlink()
        raise
