"""The face network as the backends take it: fused with the encoder where there is one."""

from __future__ import annotations

from typing import Any

from streamfer.models.shipped import WeightFiles, digest
from streamfer.runtime.model import OnnxModel, Progress
from streamfer.runtime.store import EngineKey, EngineStore

_RECIPE = 1
"""Counts changes of the code that exports the networks."""


def face_model(weights: WeightFiles, store: EngineStore, on_progress: Progress) -> OnnxModel:
    """The face network as ONNX, from the store or exported now.

    Args:
        weights: with all latent networks the fused one is made of them, else the plain classifier.
        store: exported networks.
        on_progress: told of the export.

    Raises:
        EngineError: its weights are missing or broken.
    """
    fused = not weights.missing_latent
    name = "fused_vgg19" if fused else "face_vgg19"

    def export() -> bytes:
        on_progress("exporting the face network (once)", 0.0)
        data = _export_fused(weights) if fused else _export_plain(weights)
        on_progress("exporting the face network (once)", 1.0)
        return data

    key = EngineKey(
        model=name,
        model_sha256=digest(weights.face_network),
        backend="onnx",
        version="",
        device="",
        precision="fp32",
        shapes="",
        recipe=_RECIPE,
    )
    data = store.open(key, export, bytes)
    module = _fused_module if fused else _plain_module
    return OnnxModel.from_bytes(name, data, torch_module=lambda: module(weights))


# What follows loads torch.


def _export_plain(weights: WeightFiles) -> bytes:
    from streamfer.models.export import export_face_classifier

    return export_face_classifier(weights.classifier)


def _export_fused(weights: WeightFiles) -> bytes:
    from streamfer.models.fused import export_fused

    return export_fused(_fused_module(weights))


def _plain_module(weights: WeightFiles) -> Any:
    from streamfer.models.vgg import ServedFaceVGG, load_face_vgg

    return ServedFaceVGG(load_face_vgg(weights.classifier))


def _fused_module(weights: WeightFiles) -> Any:
    from streamfer.models.fused import load_fused

    return load_fused(weights.classifier, weights.encoder, weights.fused_heads)
