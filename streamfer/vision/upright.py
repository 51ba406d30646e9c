"""Whether an aligned face stands upright in its crop.

On some faces that hang upside down the detector puts the landmarks of an upright one, or none that
can carry an alignment. Then only the picture itself tells: a linear model of its latent code, which
`streamfer.training.upright` fits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from streamfer.errors import EngineError
from streamfer.types import FloatArray

UPRIGHT_SCHEMA = "streamfer.upright/1"


@dataclass(frozen=True, slots=True, eq=False)
class UprightModel:
    """A weight for each number of a code, and a bias."""

    weights: FloatArray = field(repr=False)
    """(num_ws × w_dim,) float32."""
    bias: float
    """Such that of upright faces, leaning as heads do, one in a hundred is taken for turned."""

    def is_upright(self, latent: FloatArray) -> bool:
        """Whether a face is taken to stand upright.

        Args:
            latent: (num_ws, w_dim) float32, the encoder's code of the aligned face.
        """
        return float(self.weights @ latent.ravel()) + self.bias > 0.0


def save_upright(
    model: UprightModel, encoder_sha256: str, path: Path, notes: Mapping[str, object]
) -> None:
    """Writes a model as JSON.

    Args:
        model: what is written.
        encoder_sha256: of the encoder's file, whose codes it was fitted to.
        path: the file to write.
        notes: how it was fitted, and the figures.

    Raises:
        OSError: the file cannot be written.
    """
    document = {
        "schema": UPRIGHT_SCHEMA,
        "encoder_sha256": encoder_sha256,
        "bias": model.bias,
        "weights": [float(f"{weight:.4g}") for weight in model.weights.tolist()],
        "notes": dict(notes),
    }
    lines = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in document.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def load_upright(path: Path) -> UprightModel:
    """Reads a model.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    try:
        document = json.loads(path.read_text())
        if document["schema"] != UPRIGHT_SCHEMA:
            raise EngineError(f"{path.name}: expected schema {UPRIGHT_SCHEMA}")
        weights = np.array(document["weights"], np.float32)
        bias = float(document["bias"])
    except OSError as error:
        raise EngineError(f"{path.name}: cannot read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path.name}: not a model of upright faces: {error!r}") from error
    if weights.ndim != 1 or not np.isfinite([*weights, bias]).all():
        raise EngineError(f"{path.name}: not a model of upright faces: its numbers are not finite")
    return UprightModel(weights, bias)
