"""A direction for any property that pictures are labelled with."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from streamfer.errors import ConfigError
from streamfer.types import FloatArray

_FEWEST = 8
"""Pictures from which a direction is learnt."""


def read_attribute(path: Path) -> list[tuple[Path, float]]:
    """The pictures of a CSV file (columns `picture`, relative to the file, and `value`).

    Raises:
        ConfigError: the file cannot be read, lacks a column, a row is malformed, or all values are
            the same.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"--attribute {path}: not a readable CSV file: {error}") from error
    if rows and not {"picture", "value"} <= rows[0].keys():
        raise ConfigError(f"--attribute {path}: expected the columns picture and value")
    pairs = []
    for line, row in enumerate(rows, start=2):
        try:
            value = float(row["value"])
        except (TypeError, ValueError):
            value = float("nan")
        if not np.isfinite(value) or not row["picture"]:
            raise ConfigError(f"--attribute {path}: line {line}: no picture or no number")
        pairs.append((path.parent / row["picture"], value))
    if len({value for _, value in pairs}) < 2:
        raise ConfigError(f"--attribute {path}: needs pictures with different values")
    return pairs


def learn_attribute(
    pairs: list[tuple[Path, float]], code_of: Callable[[Path], FloatArray | None]
) -> FloatArray:
    """How codes change with a property: the slope of each index over the standardised values.

    Args:
        pairs: pictures with their values.
        code_of: the code of a picture's face; None where there is none.

    Returns:
        (num_ws, w_dim) float32, as long as the codes' standard deviation along it.

    Raises:
        ConfigError: too few faces are found.
    """
    found = [(code, value) for path, value in pairs if (code := code_of(path)) is not None]
    values = np.array([value for _, value in found], np.float64)
    if len(found) < _FEWEST or values.std() == 0:
        raise ConfigError(
            f"--attribute: faces were found in {len(found)} of {len(pairs)} pictures;"
            f" at least {_FEWEST} with different values are needed"
        )
    codes = np.stack([code for code, _ in found]).astype(np.float64)
    shape = codes.shape[1:]
    flat = codes.reshape(len(codes), -1)
    slope = ((values - values.mean()) / values.std()) @ (flat - flat.mean(axis=0)) / len(values)
    unit = slope / (np.linalg.norm(slope) + 1e-12)
    return (unit * (flat @ unit).std()).reshape(shape).astype(np.float32)
