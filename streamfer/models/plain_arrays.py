"""Files of plain arrays with a schema, read and written without torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from streamfer.engine import Array
from streamfer.errors import EngineError
from streamfer.types import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PlainArrays:
    """What a file holds."""

    arrays: Mapping[str, FloatArray] = field(repr=False)
    """As float32."""
    metadata: Mapping[str, str]


@contextmanager
def plain_arrays(path: Path, schema: str, what: str) -> Iterator[PlainArrays]:
    """Reads a file; what is missing in it, or of another kind, may be found out inside.

    Args:
        path: of the file.
        schema: that it must have.
        what: is in it, for people.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("schema") != schema:
                found = metadata.get("schema", "none")
                raise EngineError(f"{path.name}: expected schema {schema}, found {found}")
            arrays = {name: file.get_tensor(name).astype(np.float32) for name in list(file.keys())}
        yield PlainArrays(arrays, metadata)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise EngineError(f"{path.name}: cannot read the {what}: {error}") from error


def plain_bytes(arrays: Mapping[str, Array], schema: str, metadata: Mapping[str, str]) -> bytes:
    """The file of some arrays.

    Args:
        arrays: by name, in any order in memory.
        schema: of the file.
        metadata: beside it.
    """
    # What is not in order in memory would be written in the order in which it lies there.
    ordered = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(ordered, {"schema": schema, **metadata})
