"""ONNX export of the shipped networks."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from tqdm import tqdm

from streamfer.models.vgg import ServedFaceVGG, example_faces, load_face_vgg

OPSET = 18
"""ONNX operator set: new enough for torch's exporter, old enough for every backend here."""


def export_face_classifier(weights_path: Path) -> bytes:
    """The face classifier as an ONNX model.

    Input `faces`: uint8 (N, 64, 64) gray aligned crops. Outputs `probs_ferplus` and
    `probs_fer2013`: float32 (N, 7), temperatures baked in. N is dynamic.

    Args:
        weights_path: a file written by `streamfer.models.vgg.save_face_vgg`.

    Raises:
        EngineError: the weights are missing or broken.
    """
    served = ServedFaceVGG(load_face_vgg(weights_path)).eval()
    with _quiet_exporter():
        program = torch.onnx.export(
            served,
            (example_faces(2),),
            input_names=["faces"],
            output_names=["probs_ferplus", "probs_fer2013"],
            dynamic_shapes={"faces": {0: torch.export.Dim("batch", min=1, max=4096)}},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
        assert program is not None
    return bytes(program.model_proto.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silences what the exporter says of its own internals; nothing a user could act on."""
    logger = logging.getLogger("torch.onnx")
    level, interval = logger.level, tqdm.monitor_interval
    logger.setLevel(logging.ERROR)
    tqdm.monitor_interval = 0  # else its progress bars leave a thread behind
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        tqdm.monitor_interval = interval
