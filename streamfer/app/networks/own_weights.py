"""Weights that `train` wrote, in the place of the shipped ones."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from streamfer.errors import ConfigError, EngineError
from streamfer.labels import LABEL_SETS, LABELS, LabelSet
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store.engine_key import onnx_key
from streamfer.runtime.store.store import EngineStore

_SCHEMA = "streamfer.face_vgg19/1"
_ON_BACKBONES = "streamfer.latent_per/1"
"""What `train classifier --backbone` writes."""
_RECIPE = 1
"""Counts changes of the code that exports the network."""


@dataclass(frozen=True, slots=True)
class OwnWeights:
    """A file of weights, as far as it tells without being loaded."""

    path: Path
    sha256: str
    heads: tuple[LabelSet, ...]
    """The heads that were trained."""
    schema: str = _SCHEMA
    backbone: str = "vgg19"
    """What describes the face."""

    def label_set(self, wanted: LabelSet) -> LabelSet:
        """The head that answers: the wanted one where it was trained, else the one that was."""
        return wanted if wanted in self.heads else self.heads[0]


def read_own_weights(path: Path) -> OwnWeights:
    """Looks into a file of weights without loading it.

    Raises:
        ConfigError: there is no such file.
        EngineError: it is damaged, not a classifier that `train` wrote, or of other labels.
    """
    if not path.is_file():
        raise ConfigError(f"--face-model {path}: no such file")
    try:
        with safe_open(path, framework="numpy") as file:
            told = file.metadata() or {}
        with path.open("rb") as content:
            sha256 = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, SafetensorError) as error:
        raise EngineError(f"--face-model {path}: cannot read the weights: {error}") from error
    schema = told.get("schema", "none")
    if schema not in (_SCHEMA, _ON_BACKBONES):
        raise EngineError(
            f"--face-model {path}: expected what `streamfer train classifier` writes"
            f" ({_SCHEMA} or {_ON_BACKBONES}), found schema {schema}"
        )
    labels = told.get("labels", ",".join(LABELS))
    if labels != ",".join(LABELS):
        raise EngineError(f"--face-model {path}: its labels are {labels}, not {', '.join(LABELS)}")
    trained = told.get("heads", ",".join(LABEL_SETS)).split(",")
    heads = tuple(name for name in LABEL_SETS if name in trained)
    if not heads:
        raise EngineError(f"--face-model {path}: none of its heads was trained")
    return OwnWeights(path, sha256, heads, schema, told.get("backbone", "vgg19"))


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
    if weights.schema == _ON_BACKBONES:
        from streamfer.models.latent_per import export_latent_per, load_latent_per

        return export_latent_per(load_latent_per(weights.path))
    from streamfer.models.export import export_face_classifier

    return export_face_classifier(weights.path)


def _module(weights: OwnWeights) -> Any:
    if weights.schema == _ON_BACKBONES:
        from streamfer.models.latent_per import load_latent_per

        return load_latent_per(weights.path)
    from streamfer.models.vgg import ServedFaceVGG, load_face_vgg

    return ServedFaceVGG(load_face_vgg(weights.path))
