"""What decides a worker's answers besides the options: the program's version and its weights."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from streamfer import __version__
from streamfer.app.config import RunConfig
from streamfer.app.networks.published import PUBLISHED, find_weights
from streamfer.errors import ConfigError
from streamfer.models.shipped import SHIPPED, WeightFiles, weights_sha256


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One installation, as far as results depend on it."""

    version: str
    weights: str
    """SHA-256 (hex) over the files of weights that the run uses."""

    def __str__(self) -> str:
        return f"Streamfer {self.version} with weights {self.weights[:16]}"


def fingerprint(config: RunConfig, shipped: WeightFiles = SHIPPED) -> Fingerprint:
    """What this machine would answer with.

    Args:
        config: names detector and face model.
        shipped: the networks' own files.

    Raises:
        ConfigError: the face model is a file that is not there.
        EngineError: weights are missing or cannot be read.
    """
    files = [*shipped.networks, shipped.trust, shipped.int8]
    digests = [weights_sha256(path) for path in files if path.is_file()]
    for name in (config.detector, config.face_model):
        if name in PUBLISHED:
            digests.append(weights_sha256(find_weights(name)))
        elif name.endswith(".safetensors"):
            if not Path(name).is_file():
                raise ConfigError(f"--face-model {name}: no such file")
            digests.append(weights_sha256(Path(name)))
    return Fingerprint(__version__, hashlib.sha256("".join(digests).encode()).hexdigest())
