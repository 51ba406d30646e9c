"""ONNX export of the shipped networks."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from streamfer.models.fused import export_fused, load_fused
from streamfer.models.onnx_export import export_onnx
from streamfer.models.shipped import WeightFiles
from streamfer.models.vgg import ServedFaceVGG, example_faces, load_face_vgg


def served_face_network(weights: WeightFiles) -> nn.Module:
    """The face network as it is served: fused where all latent networks are there.

    Raises:
        EngineError: weights are missing or broken.
    """
    if weights.missing_latent:
        return ServedFaceVGG(load_face_vgg(weights.classifier))
    return load_fused(*weights.face_network)


def export_face_network(weights: WeightFiles) -> bytes:
    """The served face network as an ONNX model.

    Raises:
        EngineError: weights are missing or broken.
    """
    if weights.missing_latent:
        return export_face_classifier(weights.classifier)
    return export_fused(load_fused(*weights.face_network))


def export_face_classifier(weights_path: Path) -> bytes:
    """The face classifier as an ONNX model.

    Input `faces`: uint8 (N, 64, 64) gray aligned crops. Outputs `probs_ferplus` and
    `probs_fer2013`: float32 (N, 7), temperatures baked in. N is dynamic.

    Args:
        weights_path: a file written by `streamfer.models.vgg.save_face_vgg`.

    Raises:
        EngineError: the weights are missing or broken.
    """
    return export_onnx(
        ServedFaceVGG(load_face_vgg(weights_path)),
        [example_faces(2)],
        input_names=["faces"],
        output_names=["probs_ferplus", "probs_fer2013"],
    )
