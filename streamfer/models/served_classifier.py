"""Any classifier that `train` wrote, as engines run it: which kind it is, its file says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from streamfer.errors import EngineError
from streamfer.labels import LabelSet
from streamfer.models.fused import OUTPUTS
from streamfer.models.fused_file import FUSED_NETWORK_SCHEMA, load_fused_network
from streamfer.models.latent_per import LATENT_PER_SCHEMA, load_latent_per
from streamfer.models.onnx_export import export_onnx
from streamfer.models.storage import read_metadata
from streamfer.models.vgg import WEIGHTS_SCHEMA, ServedFaceVGG, example_faces, load_face_vgg
from streamfer.types import FloatArray, UInt8Array

_BATCH = 256


@dataclass(frozen=True, slots=True, eq=False)
class ServedClassifier:
    """A classifier in float32, in evaluation mode."""

    module: nn.Module
    """uint8 faces [NHW] to its outputs, one tensor or a tuple."""
    outputs: tuple[str, ...]
    """Their names, in their order."""
    heads: tuple[LabelSet, ...]
    """The label sets that it was trained for; each has an output `probs_…` (N, 7)."""

    @torch.inference_mode()
    def probabilities(self, crops: UInt8Array, labels: LabelSet) -> FloatArray:
        """(n, 7) float32 calibrated probabilities of one head for (n, 64, 64) aligned crops."""
        place = self.outputs.index(f"probs_{labels}")
        parts = []
        for start in range(0, len(crops), _BATCH):
            answers = self.module(torch.from_numpy(crops[start : start + _BATCH]))
            answer = answers if len(self.outputs) == 1 else answers[place]
            parts.append(answer.numpy())
        return np.concatenate(parts)

    def export(self) -> bytes:
        """The classifier as an ONNX model: input `faces`, uint8 (N, 64, 64), N dynamic."""
        return export_onnx(
            self.module,
            [example_faces(2)],
            input_names=["faces"],
            output_names=list(self.outputs),
        )


def load_served_classifier(path: Path) -> ServedClassifier:
    """Reads a classifier of any kind.

    Raises:
        EngineError: the file is missing, damaged or no classifier.
    """
    schema = read_metadata(path).get("schema", "none")
    if schema not in _LOADERS:
        raise EngineError(
            f"{path.name}: expected a classifier that `streamfer train` wrote"
            f" ({', '.join(_LOADERS)}), found schema {schema}"
        )
    return _LOADERS[schema](path)


def _plain(path: Path) -> ServedClassifier:
    model = load_face_vgg(path)
    return ServedClassifier(ServedFaceVGG(model), OUTPUTS[:2], model.heads)


def _on_backbone(path: Path) -> ServedClassifier:
    module = load_latent_per(path)
    labels = module.network.config.labels
    return ServedClassifier(module, (f"probs_{labels}",), (labels,))


def _fused(path: Path) -> ServedClassifier:
    module = load_fused_network(path)
    return ServedClassifier(module, OUTPUTS, module.heads.trained)


_LOADERS: dict[str, Callable[[Path], ServedClassifier]] = {
    WEIGHTS_SCHEMA: _plain,
    LATENT_PER_SCHEMA: _on_backbone,
    FUSED_NETWORK_SCHEMA: _fused,
}
