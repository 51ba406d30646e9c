"""What is known of a network's int8 form: how far its activations reach, and what int8 costs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from streamfer.errors import EngineError, OutputError
from streamfer.models.shipped import WeightFiles, digest

_SCHEMA = "streamfer.int8/1"


@dataclass(frozen=True, slots=True)
class HeadAccuracy:
    """How one head answers in both precisions; fractions."""

    faces: int
    fp32: float
    int8: float


@dataclass(frozen=True, slots=True)
class Int8Calibration:
    """Made by `python -m streamfer.training.int8` and kept beside the weights."""

    network_sha256: str
    """Of the weights that it was made for, see `digest`."""
    limits: Mapping[str, float]
    """Largest input of each convolution, see `quantise_convolutions`."""
    accuracy: Mapping[str, HeadAccuracy]
    """By head, on faces that the network was not trained on."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """From which faces, measured on which, by which backend."""

    @property
    def accuracy_cost(self) -> float:
        """What int8 loses on the head that suffers most, as a fraction; 0 where it gains."""
        return max(0.0, *(head.fp32 - head.int8 for head in self.accuracy.values()))


def write_calibration(calibration: Int8Calibration, path: Path) -> None:
    """Writes a calibration as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    text = json.dumps({"schema": _SCHEMA, **asdict(calibration)}, indent=2)
    try:
        path.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error


def read_calibration(weights: WeightFiles) -> Int8Calibration | None:
    """The calibration of the served face network; None without one made for these very weights.

    Raises:
        EngineError: the file is damaged, or the weights cannot be read.
    """
    path = weights.int8
    try:
        stored = json.loads(path.read_text("utf-8"))
        if stored.pop("schema") != _SCHEMA:
            raise ValueError(f"its schema is not {_SCHEMA}")
        heads = {name: HeadAccuracy(**head) for name, head in stored.pop("accuracy").items()}
        limits = {str(layer): float(limit) for layer, limit in stored.pop("limits").items()}
        calibration = Int8Calibration(limits=limits, accuracy=heads, **stored)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{path}: not an int8 calibration: {error}") from error
    return calibration if calibration.network_sha256 == digest(weights.face_network) else None
