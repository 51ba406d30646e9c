"""ONNX export of the shipped networks."""

from __future__ import annotations

from pathlib import Path

from streamfer.models.onnx_export import export_onnx
from streamfer.models.vgg import ServedFaceVGG, example_faces, load_face_vgg


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
