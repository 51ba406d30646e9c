"""What the artifacts in the engine store are known by."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class EngineKey:
    """Everything that a compiled artifact depends on; if any of it differs, it is another one."""

    model: str
    model_sha256: str
    """SHA-256 (hex) of the final ONNX bytes."""
    backend: str
    version: str
    """The backend's full version."""
    device: str
    """CPU features, or GPU name and compute capability."""
    precision: str
    shapes: str
    """Optimisation profiles; empty where the artifact takes any shape."""
    recipe: int
    """Version of our own code that makes the artifact."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the key."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def short_digest(self) -> str:
        """As much of `digest` as names of files hold; the description holds the whole key."""
        return self.digest[:16]

    @property
    def folder(self) -> str:
        """Name of its folder in the store."""
        return f"{self.model}-{self.backend}-{self.precision}-{self.short_digest}"


def onnx_key(name: str, sources_sha256: str, recipe: int, precision: str = "fp32") -> EngineKey:
    """The key of a network's ONNX file, which depends on no backend and no device.

    Args:
        name: the network's.
        sources_sha256: SHA-256 (hex) of what the file is made from.
        recipe: version of the code that makes it.
        precision: `int8` for a quantised network.
    """
    return EngineKey(
        model=name,
        model_sha256=sources_sha256,
        backend="onnx",
        version="",
        device="",
        precision=precision,
        shapes="",
        recipe=recipe,
    )
