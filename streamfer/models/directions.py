"""Directions in W+ along which one thing about a face changes: an expression, its pose.

A direction file is small and holds plain arrays, so that serving reads it without torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABELS
from streamfer.models.plain_arrays import plain_arrays, plain_bytes
from streamfer.types import FloatArray

SCHEMA = "streamfer.directions/1"
Threshold = Literal["zero", "median", "mean"]
"""Of index scores: paper B, eq. 11, keeps what reaches it."""
_GIVEN_UP = 0.5
"""Of every standard deviation towards an expression, so much of those that the face shows now is
taken back (docs/latent-per.md)."""


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """Named directions in the codes of one generator."""

    names: tuple[str, ...]
    vectors: FloatArray = field(repr=False)
    """(n, num_ws, w_dim) float32. One unit of strength, which is one standard deviation of the
    training codes along the direction."""
    scores: FloatArray = field(repr=False)
    """(n, num_ws · w_dim) float32, signed: how much each index of a code has to do with it."""
    mean: FloatArray | None = field(default=None, repr=False)
    """(num_ws, w_dim) float32 mean of the training codes; None in files of earlier versions."""

    @property
    def code_shape(self) -> tuple[int, int]:
        """num_ws and w_dim of the codes that they belong to."""
        return self.vectors.shape[1], self.vectors.shape[2]

    def vector(self, name: str) -> FloatArray:
        """One unit of strength, (num_ws, w_dim).

        Raises:
            ConfigError: there is no such direction.
        """
        if name not in self.names:
            raise ConfigError(f"{name}: no such direction; there are {', '.join(self.names)}")
        return self.vectors[self.names.index(name)]

    def towards(self, name: str, shown: FloatArray | None = None) -> FloatArray:
        """One unit of strength for a face that shows something already, (num_ws, w_dim).

        A smile that is moved along `surprise` alone stays a smile for long, and the face is
        another one before it looks surprised.

        Args:
            name: of the direction.
            shown: (7,) probabilities of the expressions that the face shows, in the order of
                LABELS; None, and a direction that is no expression, take the direction alone.

        Raises:
            ConfigError: there is no such direction.
        """
        vector = self.vector(name)
        if shown is None or name not in LABELS:
            return vector
        others = [other for other in LABELS if other != name and other in self.names]
        left = sum(shown[LABELS.index(other)] * self.vector(other) for other in others)
        return (vector - np.float32(_GIVEN_UP) * left).astype(np.float32)

    def moved(
        self, code: FloatArray, name: str, strength: float, shown: FloatArray | None = None
    ) -> FloatArray:
        """A code moved along a direction (paper B, Fig. 13).

        Args:
            code: (…, num_ws, w_dim).
            name: of the direction.
            strength: in standard deviations; negative moves away.
            shown: see `towards`.

        Raises:
            ConfigError: there is no such direction, or the code is of another generator.
        """
        vector = self.towards(name, shown)
        if code.shape[-2:] != vector.shape:
            raise ConfigError(
                f"these directions are for codes of {vector.shape[0]} × {vector.shape[1]},"
                f" not {code.shape[-2]} × {code.shape[-1]}; train some for this generator"
            )
        return (code + np.float32(strength) * vector).astype(np.float32)


def index_mask(scores: FloatArray, threshold: Threshold) -> FloatArray:
    """Which indices of a code stay: paper B, eq. 11, as 1 and 0.

    Scores are signed and most lie near 0, so the median and the mean are those of the positive
    ones; a threshold of 0 means no mask, which the paper calls the full latent.

    Args:
        scores: (d,) signed.
        threshold: what a score must reach.

    Returns:
        (d,) float32.
    """
    positive = scores[scores > 0]
    if threshold == "zero" or positive.size == 0:
        return np.ones_like(scores, dtype=np.float32)
    least = np.median(positive) if threshold == "median" else positive.mean()
    return (scores >= least).astype(np.float32)


def save_directions(directions: Directions, path: Path, notes: Mapping[str, str]) -> None:
    """Writes directions in half precision; `notes` are more metadata, such as the recipe."""
    arrays = {"vectors": directions.vectors, "scores": directions.scores}
    if directions.mean is not None:
        arrays["mean"] = directions.mean
    halves = {name: array.astype(np.float16) for name, array in arrays.items()}
    partial = path.with_suffix(path.suffix + ".partial")
    partial.write_bytes(
        plain_bytes(halves, SCHEMA, {"names": json.dumps(directions.names), **notes})
    )
    partial.replace(path)


def load_directions(path: Path) -> Directions:
    """Reads directions.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    with plain_arrays(path, SCHEMA, "directions") as found:
        names = tuple(json.loads(found.metadata["names"]))
        vectors, scores = found.arrays["vectors"], found.arrays["scores"]
        mean = found.arrays.get("mean")
    if vectors.ndim != 3 or not len(names) == len(vectors) == len(scores):
        raise EngineError(f"{path.name}: names and directions do not match")
    return Directions(names, vectors, scores, mean)
