"""How steeply the loss of a search rises along which changes of a code, in the mean over faces.

A few axes hold nearly all of it: along some a code can hardly move, along most it may move far.
Gradients that are divided by it reach in a few steps what Adam, which knows nothing of axes across
the numbers of a code, takes three times as many for.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.errors import EngineError
from streamfer.models.plain_arrays import plain_arrays, plain_bytes
from streamfer.models.shipped import SHIPPED, weights_sha256

SCHEMA = "streamfer.curvature/1"
_DAMPING = 0.001
"""Added to every curvature, which faces differ in."""


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Second derivatives of the total loss, of offsets in units of the styles' spread.

    Its arrays are of numpy, or of torch on the device of the search.
    """

    axes: Any = field(repr=False)
    """(k, num_ws · w_dim) float32 orthonormal: where it is steepest."""
    values: Any = field(repr=False)
    """(k,) float32 along these axes."""
    rest: float
    """Along any other, in the mean."""

    def divide(self, gradient: Any) -> Any:
        """The change of codes that a gradient suggests.

        Args:
            gradient: (N, num_ws, w_dim) of the losses, of the arrays' kind.
        """
        flat = gradient.reshape(len(gradient), -1)
        rest = 1 / (self.rest + _DAMPING)
        along = (flat @ self.axes.T) * (1 / (self.values + _DAMPING) - rest)
        return (rest * flat + along @ self.axes).reshape(gradient.shape)


def curvature_bytes(curvature: Curvature, networks: str, notes: Mapping[str, object]) -> bytes:
    """The file of a curvature, in half precision.

    Args:
        curvature: of numpy.
        networks: whose loss it is; see `networks_digest`.
        notes: more metadata, such as the recipe.
    """
    metadata = {"networks": networks, "rest": repr(curvature.rest), "notes": json.dumps(notes)}
    arrays = {"axes": curvature.axes.astype(np.float16), "values": curvature.values}
    return plain_bytes(arrays, SCHEMA, metadata)


def networks_digest(generator: Path, classifier: Path) -> str:
    """SHA-256 (hex) of the files of a generator and of the face network that becomes its lens.

    Raises:
        EngineError: one cannot be read.
    """
    sums = weights_sha256(generator) + weights_sha256(classifier)
    return hashlib.sha256(sums.encode()).hexdigest()


def curvature_of(
    generator: Path, classifier: Path, path: Path = SHIPPED.curvature
) -> Curvature | None:
    """The curvature of searches with these networks; None where the file is of others, or missing.

    Args:
        generator: file of a generator.
        classifier: file of the face network that becomes the lens.
        path: of the curvature.

    Raises:
        EngineError: a file is damaged, of another kind or, of the networks, missing.
    """
    if not path.exists():
        return None
    with plain_arrays(path, SCHEMA, "curvature") as found:
        axes, values = found.arrays["axes"], found.arrays["values"]
        rest, networks = float(found.metadata["rest"]), found.metadata["networks"]
    known = axes.ndim == 2 and values.shape == axes.shape[:1]
    if not (known and np.isfinite(axes).all() and (values >= 0).all() and 0 <= rest < np.inf):
        raise EngineError(f"{path.name}: is no curvature")
    is_theirs = networks == networks_digest(generator, classifier)
    return Curvature(axes, values, rest) if is_theirs else None
