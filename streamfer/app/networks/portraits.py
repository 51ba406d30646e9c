"""Published encoders of portraits with their generators, made ready for a run."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from streamfer.app.networks.published import find_weights
from streamfer.errors import EngineError
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore

_RECIPE = 1
"""Counts changes of the code that exports the network."""
_SOURCE = "source_sha256"


@dataclass(frozen=True, slots=True)
class PortraitFiles:
    """What the networks of portraits are made of."""

    name: str
    """As `--face-model` calls it."""
    checkpoint: Path
    """Encoder and generator, as published."""
    classifier: Path
    """Our own face network."""

    @property
    def kind(self) -> Literal["e4e", "psp"]:
        """Which encoder it is."""
        return "e4e" if self.name == "e4e-ffhq" else "psp"

    @property
    def generator(self) -> Path:
        """The checkpoint's generator in our own form."""
        return self.checkpoint.with_suffix(".generator.safetensors")


def find_portrait(name: str, classifier: Path) -> PortraitFiles:
    """The files of a published encoder.

    Raises:
        EngineError: it has not been pulled yet; says how.
    """
    return PortraitFiles(name, find_weights(name), classifier)


def portrait_model(files: PortraitFiles, store: EngineStore, on_progress: Progress) -> OnnxModel:
    """The face network of portraits as ONNX, from the store or exported now.

    Raises:
        EngineError: a file is missing, damaged or of another kind.
    """

    def export() -> bytes:
        on_progress(f"exporting {files.name} (once)", 0.0)
        data = _export(files)
        on_progress(f"exporting {files.name} (once)", 1.0)
        return data

    sources = _sha256(files.checkpoint) + _sha256(files.classifier)
    sources_sha256 = hashlib.sha256(sources.encode()).hexdigest()
    key = onnx_key(files.name, sources_sha256, _RECIPE)
    return OnnxModel(files.name, store.file(key, export), torch_module=lambda: _module(files))


def keep_portrait_generator(files: PortraitFiles, on_progress: Progress) -> None:
    """Writes the checkpoint's generator beside it in our own form, unless it lies there.

    Raises:
        EngineError: the checkpoint is missing, damaged or of another kind, or nothing can be
            written there.
    """
    source = _sha256(files.checkpoint)
    if _kept_from(files.generator) == source:
        return
    on_progress(f"taking the generator out of {files.checkpoint.name} (once)", 0.0)
    _keep_generator(files, source)
    on_progress(f"taking the generator out of {files.checkpoint.name} (once)", 1.0)


def _kept_from(path: Path) -> str | None:
    """SHA-256 of the checkpoint that a kept generator is from; None without a whole one."""
    try:
        with safe_open(path, framework="numpy") as file:
            return (file.metadata() or {}).get(_SOURCE)
    except (OSError, SafetensorError):
        return None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise EngineError(f"{path}: cannot read the weights: {error.strerror or error}") from error


# What follows loads torch.


def _keep_generator(files: PortraitFiles, source: str) -> None:
    from streamfer.models.published_encoder import load_inversion_networks
    from streamfer.models.storage import keep_generator

    generator = load_inversion_networks(files.checkpoint, files.kind).generator
    own = files.generator.with_name(f"{files.generator.name}.{os.getpid()}")  # of this process
    try:
        keep_generator(generator, own, {_SOURCE: source})
        own.replace(files.generator)
    except (OSError, SafetensorError) as error:
        raise EngineError(f"{files.generator}: cannot write the generator: {error}") from error
    finally:
        own.unlink(missing_ok=True)


def _export(files: PortraitFiles) -> bytes:
    from streamfer.models.portrait_network import export_portrait

    return export_portrait(_module(files))


def _module(files: PortraitFiles) -> Any:
    from streamfer.models.portrait_network import load_portrait_network

    return load_portrait_network(files.checkpoint, files.kind, files.classifier)
