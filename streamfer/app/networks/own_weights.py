"""Weights that `train` wrote, in the place of the shipped ones."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LabelSet
from streamfer.models.taught import Taught
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore

_PLAIN = "streamfer.face_vgg19/1"
_ON_BACKBONES = "streamfer.latent_per/1"
"""What `train classifier --backbone` writes."""
_FUSED = "streamfer.fused_network/1"
"""What `train fused` writes."""
_HEADS_ALONE = "streamfer.fused/1"
_RECIPE = 2
"""Counts changes of the code that exports the network."""


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """A file of weights, as far as it tells without being loaded."""

    path: Path
    sha256: str
    taught: Taught
    """The heads that were trained, and the expressions."""
    backbone: str = "vgg19"
    """What describes the face."""
    codes: bool = False
    """Whether it answers latent codes."""

    def label_set(self, wanted: LabelSet) -> LabelSet:
        """The head that answers: the wanted one where it was trained, else the one that was."""
        return wanted if wanted in self.taught.heads else self.taught.heads[0]


def read_own_weights(path: Path) -> OwnWeights:
    """Looks into a file of weights without loading it.

    Raises:
        ConfigError: there is no such file.
        EngineError: it is damaged, not a classifier that `train` wrote, or of labels that records
            cannot hold.
    """
    if not os.path.isfile(path):
        raise ConfigError(f"--face-model {path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, SafetensorError) as error:
        raise EngineError(f"--face-model {path}: cannot read the weights: {error}") from error
    schema = told.get("schema", "none")
    if schema == _HEADS_ALONE:
        raise EngineError(
            f"--face-model {path}: holds the heads alone; give fused_vgg19.safetensors, which"
            " `streamfer train fused` writes beside them"
        )
    if schema not in (_PLAIN, _ON_BACKBONES, _FUSED):
        raise EngineError(
            f"--face-model {path}: expected what `streamfer train classifier` or `train fused`"
            f" writes, found schema {schema}"
        )
    try:
        taught = Taught.from_metadata(told)
    except ValueError as error:
        raise EngineError(f"--face-model {path}: {error}") from error
    return OwnWeights(path, sha256, taught, told.get("backbone", "vgg19"), schema == _FUSED)


def own_face_model(weights: OwnWeights, store: EngineStore, on_progress: Progress) -> OnnxModel:
    """The network as ONNX, from the store or exported now, called as its file is.

    Raises:
        EngineError: the weights are broken.
    """
    task = f"exporting {weights.path.name} (once)"

    def export() -> bytes:
        on_progress(task, 0.0)
        data = _export(weights)
        on_progress(task, 1.0)
        return data

    file = store.file(onnx_key(weights.path.stem, weights.sha256, _RECIPE), export)
    return OnnxModel(weights.path.stem, file, torch_module=lambda: _module(weights))


# What follows loads torch.


def _export(weights: OwnWeights) -> bytes:
    from streamfer.models.served_classifier import load_served_classifier

    return load_served_classifier(weights.path).export()


def _module(weights: OwnWeights) -> Any:
    from streamfer.models.served_classifier import load_served_classifier

    return load_served_classifier(weights.path).module
