"""Makes the face network's int8 form known: how far its activations reach, and what int8 costs.

python -m streamfer.training.int8 --data fer/ --out streamfer/weights/int8.json

Run it whenever the weights change: without a calibration for these very weights, they are served in
floating point.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor, nn

from streamfer.engine import Engine
from streamfer.errors import ConfigError
from streamfer.evaluation.metrics import accuracy
from streamfer.evaluation.served import served_answers
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.export import export_face_network, served_face_network
from streamfer.models.int8_calibration import (
    HeadAccuracy,
    Int8Calibration,
    write_calibration,
)
from streamfer.models.int8_export import quantise_convolutions
from streamfer.models.shipped import SHIPPED, WeightFiles, digest
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import Int8Form, NetworkFile, OnnxModel
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from streamfer.training.data_summary import print_summary
from streamfer.training.faces.data import NO_LABEL
from streamfer.training.faces.landmarks import align_pictures, open_landmarks
from streamfer.training.faces.sources import held_out_split, read_faces
from streamfer.training.runs.command import run_command
from streamfer.training.vgg.scoring import EvaluationFaces, evaluation_faces
from streamfer.types import FloatArray, UInt8Array

_BATCH = 64
_FACES = 512
_EXACT = frozenset({"encoder.describe.0"})
"""Convolutions that stay in float: the encoder's last one would cost half as much again of the
codes' exactness as all of its others, and save next to no time."""


@dataclass(frozen=True, slots=True)
class Int8Config:
    """How to calibrate."""

    data: Path
    """FER2013 data: training faces give the ranges, validation faces the accuracy."""
    landmarks: Path | None = None
    """Landmark cache to use and complete."""
    weights: WeightFiles = SHIPPED
    faces: int = _FACES
    """Training faces that the ranges are taken from."""
    clipped: float = 1e-5
    """Share of a layer's inputs that its range leaves out: one far outlier would make the steps
    coarse for all others."""
    seed: int = 0
    """Chooses the faces."""

    def __post_init__(self) -> None:
        if self.faces < 1:
            raise ConfigError(f"--faces: at least 1, got {self.faces}")


def calibrate_int8(config: Int8Config) -> Int8Calibration:
    """Takes the ranges from training faces and measures both precisions on validation faces.

    Raises:
        ConfigError: the data are missing or malformed.
        EngineError: the weights are missing or broken, or int8 cannot run here.
    """
    network = served_face_network(config.weights)
    limits = activation_limits(network, _training_crops(config), config.clipped)
    split = held_out_split(config.data)
    faces = read_faces(config.data, split)
    print_summary(split, faces.summary, Console(stderr=True))
    exam = evaluation_faces(faces, open_landmarks(config.landmarks, faces.pictures))
    backend, scores, codes_off = _measure(config.weights, limits, exam)
    notes = {
        "limits": f"{config.faces} training faces of {config.data.name}, seed {config.seed},"
        f" {config.clipped:g} of the values clipped",
        "accuracy": f"the validation faces of {config.data.name}; int8 by {backend}",
    }
    if codes_off is not None:
        notes["latent"] = f"off by {codes_off:.2%} of the codes' spread (RMS), the same faces"
    return Int8Calibration(digest(config.weights.face_network), limits, scores, notes)


@torch.inference_mode()
def activation_limits(network: nn.Module, crops: UInt8Array, clipped: float) -> dict[str, float]:
    """How far the input of each convolution reaches, where it is never negative.

    Args:
        network: the served face network, see `served_face_network`.
        crops: (n, 64, 64) uint8 gray aligned faces.
        clipped: share of the values that may lie beyond.

    Returns:
        The limits by the convolutions' names in the network.
    """
    largest: dict[str, Tensor] = {}
    signed = set()

    def see(name: str, x: Tensor) -> None:
        if x.min() < 0:  # the picture itself, which no ReLU has passed
            signed.add(name)
        seen = torch.cat([largest.get(name, torch.empty(0)), x.flatten()])
        beyond = min(math.ceil(clipped * x[0].numel() * len(crops)), len(seen))
        largest[name] = seen.topk(max(beyond, 1)).values

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: see(name, inputs[0]))
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Conv2d) and name not in _EXACT
    ]
    for start in range(0, len(crops), _BATCH):
        network(torch.from_numpy(crops[start : start + _BATCH]))
    for hook in hooks:
        hook.remove()
    return {name: round(float(v[-1]), 4) for name, v in largest.items() if name not in signed}


def _training_crops(config: Int8Config) -> UInt8Array:
    faces = read_faces(config.data, "train")
    print_summary("training", faces.summary, Console(stderr=True))
    rows = np.random.default_rng(config.seed).permutation(len(faces))[: config.faces]
    chosen = faces.subset(np.sort(rows))
    return align_pictures(chosen.pictures, open_landmarks(config.landmarks, chosen.pictures))


def _measure(
    weights: WeightFiles, limits: dict[str, float], exam: EvaluationFaces
) -> tuple[str, dict[str, HeadAccuracy], float | None]:
    """Which backend ran the int8 form, how both precisions answer, and how far the codes are off,
    as a share of their spread, where the network gives any."""
    data = export_face_network(weights)
    form = Int8Form(lambda: NetworkFile.of(quantise_convolutions(data, limits)), math.inf)
    model = OnnxModel.from_bytes(weights.classifier.stem, data, int8=form)
    exact, exact_codes = _answers(OnnxRuntimeEngine(model), exam)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(model, precision="int8", device="cpu", store=EngineStore(Path(folder)))
        rounded, codes = _answers(engine, exam)
    scores: dict[str, HeadAccuracy] = {
        labels: HeadAccuracy(len(known), exact[labels], rounded[labels])
        for labels, known in _known(exam).items()
    }
    if exact_codes is None or codes is None:
        return engine.backend, scores, None
    spread = max(float(exact_codes.std()), 1e-12)
    return engine.backend, scores, float(np.sqrt(np.square(codes - exact_codes).mean())) / spread


def _answers(
    engine: Engine, exam: EvaluationFaces
) -> tuple[dict[LabelSet, float], FloatArray | None]:
    """The accuracy of each head, and the codes where the network gives any."""
    answers = served_answers(engine, exam.crops)
    engine.close()
    accuracies = {}
    for labels, known in _known(exam).items():
        classes = exam.classes[LABEL_SETS.index(labels)]
        accuracies[labels] = accuracy(answers[f"probs_{labels}"][known], classes[known])
    return accuracies, answers.get("latent")


def _known(exam: EvaluationFaces) -> dict[LabelSet, NDArray[np.intp]]:
    """Rows that have a label, by head."""
    pairs = zip(LABEL_SETS, exam.classes, strict=True)
    return {labels: np.flatnonzero(classes != NO_LABEL) for labels, classes in pairs}


def _print(calibration: Int8Calibration, console: Console) -> None:
    for labels, head in calibration.accuracy.items():
        difference = 100 * (head.int8 - head.fp32)
        console.print(
            f"{labels}: {head.fp32:.2%} in float32, {head.int8:.2%} in int8"
            f" ({difference:+.2f} points) on {head.faces} faces"
        )


def _arguments(arguments: Sequence[str] | None) -> tuple[Int8Config, Path]:
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.int8", description="Calibrate the int8 face network."
    )
    parser.add_argument("--data", type=Path, required=True, help="FER2013 data")
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--weights", type=Path, help="folder of the weights; default: the shipped")
    parser.add_argument("--out", type=Path, required=True, help="file for the result (JSON)")
    parser.add_argument("--faces", type=int, default=_FACES, help="default: %(default)s")
    options = parser.parse_args(arguments)
    weights = WeightFiles(options.weights) if options.weights else SHIPPED
    return Int8Config(options.data, options.landmarks, weights, options.faces), options.out


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""

    def command() -> None:
        config, out = _arguments(arguments)
        calibration = calibrate_int8(config)
        write_calibration(calibration, out)
        _print(calibration, Console())

    return run_command(command)


if __name__ == "__main__":
    raise SystemExit(main())
