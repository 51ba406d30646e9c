"""Fits how far answers can be trusted: `python -m streamfer.training.trust`.

Faces that the networks were not trained on are shown as streams show them, found by the detector
that serves, aligned and classified; a logistic model learns when the answer was right. Half of the
faces are kept to say how honest it is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.engine import Array
from streamfer.errors import ConfigError, OutputError
from streamfer.evaluation.inverted import LatentModels, invert_faces, load_latent_models
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.inversion import InversionConfig
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, FaceVGG, load_face_vgg
from streamfer.training.aligned import split_held_out
from streamfer.training.command import ProgressLine, pick_device, run_command
from streamfer.training.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.landmarks import make_detector
from streamfer.training.sources import read_faces
from streamfer.training.stream_views import stream_view
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import align_face
from streamfer.vision.detector import Detector
from streamfer.vision.trust import (
    ERROR_FEATURE,
    FEATURES,
    LogisticModel,
    TrustModel,
    error_feature,
    save_trust,
    trust_features,
)

_RIDGE = 1.0
_NEWTON_STEPS = 30
_HIGH = 0.9
"""The trust that must mean right nine times in ten."""
_BATCH = 64


@dataclass(frozen=True, slots=True, eq=False)
class SeenFaces:
    """Faces as the detector found them in stream views."""

    rows: NDArray[np.int64]
    """(n,) which picture each is a view of."""
    detections: tuple[Detection, ...] = field(repr=False)
    crops: UInt8Array = field(repr=False)
    """(n, 64, 64) uint8."""


def see_faces(
    pictures: Sequence[UInt8Array],
    detector: Detector,
    views: int,
    seed: int,
    advance: Callable[[int], None] = lambda count: None,
) -> SeenFaces:
    """Shows every picture in `views` stream views and keeps what the detector finds best."""
    rng = np.random.default_rng(seed)
    rows: list[int] = []
    detections: list[Detection] = []
    crops: list[UInt8Array] = []
    order = [row for row in range(len(pictures)) for _ in range(views)]
    for start in range(0, len(order), _BATCH):
        part = order[start : start + _BATCH]
        frames = [stream_view(pictures[row], rng) for row in part]
        for row, frame, found in zip(part, frames, detector.detect(frames), strict=True):
            if found:
                rows.append(row)
                detections.append(found[0])
                crops.append(align_face(frame, found[0]).image)
        advance(len(part))
    return SeenFaces(np.array(rows, np.int64), tuple(detections), np.array(crops, np.uint8))


@torch.inference_mode()
def read_probabilities(network: FaceVGG, crops: UInt8Array) -> dict[LabelSet, FloatArray]:
    """(n, 7) probabilities under each label set."""
    device = next(network.parameters()).device
    parts = [
        network.probabilities(torch.from_numpy(crops[i : i + _BATCH]).to(device))
        for i in range(0, len(crops), _BATCH)
    ]
    columns = zip(*parts, strict=True)
    return {
        name: torch.cat(column).cpu().numpy()
        for name, column in zip(LABEL_SETS, columns, strict=True)
    }


def fit_logistic(
    features: Sequence[Mapping[str, float]], right: NDArray[np.bool_], names: Sequence[str]
) -> LogisticModel:
    """Ridge-regularised logistic regression by Newton's method.

    Args:
        features: of each face.
        right: (n,) whether the answer was right.
        names: the features to use.
    """
    raw = np.array([[row[name] for name in names] for row in features], dtype=np.float64)
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    x = np.concatenate([(raw - mean) / scale, np.ones((len(raw), 1))], axis=1)
    ridge = np.diag([_RIDGE] * len(names) + [0.0])
    weights = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (p - right) + ridge @ weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, gradient)
    slopes = weights[:-1] / scale
    bias = float(weights[-1] - slopes @ mean)
    return LogisticModel(dict(zip(names, slopes.tolist(), strict=True)), bias)


def reliability(trust: Array, right: NDArray[np.bool_]) -> dict[str, float]:
    """How honest trust is: the share of faces that reach 0.9, how often those are right, and the
    mean gap between trust and truth over ten equal bins."""
    high = trust >= _HIGH
    bins = np.minimum((trust * 10).astype(int), 9)
    gaps = [
        abs(trust[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    ]
    return {
        "n": float(len(trust)),
        "accuracy": float(right.mean()),
        "share_high": float(high.mean()),
        "accuracy_high": float(right[high].mean()) if high.any() else 0.0,
        "calibration_error": float(sum(gaps)),
    }


def fit_trust(
    seen: SeenFaces,
    probs: FloatArray,
    classes: NDArray[np.int64],
    errors: FloatArray | None,
) -> tuple[TrustModel, dict[str, dict[str, float]]]:
    """Fits on the faces of even rows and reports on those of odd ones.

    Args:
        seen: the faces.
        probs: (n, 7) their answers.
        classes: (m,) truth of every picture, NO_LABEL where unknown.
        errors: (n,) reconstruction errors, if there is a generator.

    Returns:
        The model, and its `reliability` without and, if known, with the error.
    """
    truth = classes[seen.rows]
    known, even = truth != NO_LABEL, seen.rows % 2 == 0
    right = probs.argmax(axis=1) == truth
    features = [
        trust_features(p, d, c) for p, d, c in zip(probs, seen.detections, seen.crops, strict=True)
    ]
    if errors is not None:
        features = [f | error_feature(float(e)) for f, e in zip(features, errors, strict=True)]
    models: list[LogisticModel] = []
    report: dict[str, dict[str, float]] = {}
    for kind, names in (("without_error", FEATURES), ("with_error", (*FEATURES, ERROR_FEATURE))):
        if kind == "with_error" and errors is None:
            continue
        fitted = np.flatnonzero(known & even)
        model = fit_logistic([features[i] for i in fitted], right[fitted], names)
        kept = np.flatnonzero(known & ~even)
        trust = np.array([model.probability(features[i]) for i in kept])
        report[kind] = reliability(trust, right[kept])
        models.append(model)
    return TrustModel(models[0], models[1] if len(models) > 1 else None), report


def reconstruction_errors(models: LatentModels, crops: UInt8Array, steps: int) -> FloatArray:
    """(n,) pixel MSE of refined reconstructions."""
    names = [str(i) for i in range(len(crops))]
    faces = invert_faces(models, crops, names, InversionConfig(steps=steps))
    return np.array([face.mse_refined for face in faces], np.float32)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.trust",
        description="Fits how far answers can be trusted.",
    )
    parser.add_argument("--data", type=Path, required=True, help="FER2013 data")
    parser.add_argument(
        "--classifier", type=Path, default=SHIPPED_FACE_WEIGHTS, help="default: the shipped weights"
    )
    parser.add_argument("--generator", type=Path, help="generator.safetensors")
    parser.add_argument("--encoder", type=Path, help="encoder.safetensors")
    parser.add_argument("--out", type=Path, required=True, help="trust.json")
    parser.add_argument("--views", type=int, default=4, help="stream views of each face")
    parser.add_argument("--steps", type=int, default=100, help="of the refinement")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--seed", type=int, default=0)
    return run_command(lambda: _fit(parser.parse_args(arguments)))


def _fit(options: argparse.Namespace) -> None:
    if (options.generator is None) != (options.encoder is None):
        raise ConfigError("--generator and --encoder are given together or not at all")
    device = pick_device(options.device)
    network = load_face_vgg(options.classifier).to(device)
    faces, _ = split_held_out(read_faces(options.data, "train"))
    with ProgressLine(options.views * len(faces), "views") as line:
        seen = see_faces(
            faces.pictures, make_detector(320), options.views, options.seed, line.advance
        )
    errors: FloatArray | None = None
    if options.generator:
        latent = load_latent_models(options.generator, options.encoder, options.classifier, device)
        errors = reconstruction_errors(latent, seen.crops, options.steps)
    probs = read_probabilities(network, seen.crops)
    models: dict[LabelSet, TrustModel] = {}
    notes: dict[str, Any] = {"classifier": options.classifier.name, "views": options.views}
    for label_set, classes in zip(LABEL_SETS, _classes(faces), strict=True):
        models[label_set], notes[label_set] = fit_trust(seen, probs[label_set], classes, errors)
        for kind, figures in notes[label_set].items():
            shown = {k: round(v, 4) for k, v in figures.items()}
            print(f"{label_set} {kind}: {shown}", file=sys.stderr)
    try:
        save_trust(models, options.out, notes)
    except OSError as error:
        raise OutputError(f"{options.out}: cannot write: {error.strerror}") from error


def _classes(faces: LabelledFaces) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return majority_class(faces.votes), faces.classes


if __name__ == "__main__":
    sys.exit(main())
