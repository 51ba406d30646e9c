"""Fits how far answers can be trusted: `python -m streamfer.training.trust`.

Faces that the networks were not trained on are shown as streams show them, found by the detector
that serves, aligned and classified; a logistic model learns when the answer was right.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import nn

from streamfer.engine import Array
from streamfer.errors import OutputError
from streamfer.evaluation.inverted import BATCH, LatentModels, invert_faces, load_latent_models
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.export import served_face_network
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import STEPS_OF_A_RUN, InversionConfig, search_of_a_run
from streamfer.models.shipped import WeightFiles, digest
from streamfer.training.faces.aligned import split_held_out
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import best_face, make_detector
from streamfer.training.faces.stream_views import stream_view
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    fitting_parser,
    pick_device,
    run_command,
    splits_from,
)
from streamfer.training.splits import Splits
from streamfer.training.trust_fit import Evidence, cross_validate, fit_trust, judge
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.align import align_face
from streamfer.vision.detection.detector import Detector
from streamfer.vision.trust import TrustModel, save_trust, trust_features

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
            if face := best_face(found):
                rows.append(row)
                detections.append(face)
                crops.append(align_face(frame, face).image)
        advance(len(part))
    return SeenFaces(np.array(rows, np.int64), tuple(detections), np.array(crops, np.uint8))


@torch.inference_mode()
def read_probabilities(network: nn.Module, crops: UInt8Array) -> dict[LabelSet, FloatArray]:
    """(n, 7) probabilities under each label set, by the network as it is served."""
    device = next(network.buffers()).device
    parts = [
        network(torch.from_numpy(crops[i : i + _BATCH]).to(device))[: len(LABEL_SETS)]
        for i in range(0, len(crops), _BATCH)
    ]
    return {
        name: torch.cat([part[i] for part in parts]).cpu().numpy()
        for i, name in enumerate(LABEL_SETS)
    }


def reconstruction_errors(
    models: LatentModels,
    crops: UInt8Array,
    count: int,
    config: InversionConfig,
    seed: int,
    advance: Callable[[int], None] = lambda count: None,
) -> Array:
    """(n,) pixel MSE of the refined reconstructions of `count` of the faces, NaN for the others."""
    errors = np.full(len(crops), np.nan)
    chosen = np.random.default_rng(seed).permutation(len(crops))[:count]
    for start in range(0, len(chosen), BATCH):
        rows = chosen[start : start + BATCH]
        faces = invert_faces(models, crops[rows], [str(row) for row in rows], config)
        errors[rows] = [face.mse_refined for face in faces]
        advance(len(rows))
    return errors


def gather(
    seen: SeenFaces, probs: FloatArray, classes: NDArray[np.int64], errors: Array
) -> Evidence:
    """What the answers on faces with a known label say of trust.

    Args:
        seen: the faces.
        probs: (n, 7) the answers.
        classes: (m,) truth of every picture, NO_LABEL where unknown.
        errors: (n,) reconstruction errors, NaN where unknown.
    """
    truth = classes[seen.rows]
    features = [trust_features(p, d) for p, d in zip(probs, seen.detections, strict=True)]
    right = probs.argmax(axis=1) == truth
    every = Evidence(seen.rows, features, right, errors)
    return every.subset(np.flatnonzero(truth != NO_LABEL))


@dataclass(frozen=True, slots=True)
class TrustFitting:
    """A recipe."""

    views: int = 4
    """Stream views of each held-out training face."""
    evaluation_faces: int = 0
    """Validation faces, one view of each, that judge the result; 0 for all."""
    refined: int = 400
    """Views in either set whose reconstruction error is found; 0 for none."""
    steps: int = STEPS_OF_A_RUN
    """Of the refinement."""
    seed: int = 0


def fit(
    weights: WeightFiles, splits: Splits, config: TrustFitting, device: torch.device
) -> tuple[dict[LabelSet, TrustModel], dict[str, Any]]:
    """Fits trust in the answers of both heads.

    Args:
        weights: the networks that will be served; without the latent ones trust knows no error.
        splits: of the data that the classifier was trained on; a part of the training faces was
            held out there too.
        config: the recipe.
        device: where the networks run.

    Returns:
        The models, and the figures of each: `folds` (on held-out training faces that they were
        not fitted on) and `validation` (on faces of the validation split).
    """
    training, _ = split_held_out(splits.training)
    validation = splits.validation
    if config.evaluation_faces:
        validation = validation.subset(np.arange(len(validation))[: config.evaluation_faces])
    fitted = _examine(weights, training, config.views, config, device)
    judging = _examine(weights, validation, 1, config, device)
    models: dict[LabelSet, TrustModel] = {}
    figures: dict[str, Any] = {}
    for label_set in LABEL_SETS:
        models[label_set] = fit_trust(fitted[label_set])
        figures[label_set] = {
            "folds": cross_validate(fitted[label_set]),
            "validation": judge(models[label_set], judging[label_set]),
        }
    return models, figures


def _examine(
    weights: WeightFiles,
    faces: LabelledFaces,
    views: int,
    config: TrustFitting,
    device: torch.device,
) -> dict[LabelSet, Evidence]:
    """Shows faces in stream views to detector and networks."""
    with ProgressLine(views * len(faces), "views") as line:
        detector = make_detector()
        seen = see_faces(faces.pictures, detector, views, config.seed, line.advance)
        detector.close()
    errors = np.full(len(seen.crops), np.nan)
    if not weights.missing_latent:
        latent = load_latent_models(weights.generator, weights.encoder, weights.classifier, device)
        known = curvature_of(weights.generator, weights.classifier, weights.curvature)
        inversion = search_of_a_run(config.steps, curvature=known)
        with ProgressLine(config.refined, "refined") as line:
            errors = reconstruction_errors(
                latent, seen.crops, config.refined, inversion, config.seed, line.advance
            )
    probs = read_probabilities(served_face_network(weights).to(device), seen.crops)
    truths = majority_class(faces.votes), faces.classes
    return {
        label_set: gather(seen, probs[label_set], classes, errors)
        for label_set, classes in zip(LABEL_SETS, truths, strict=True)
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = fitting_parser(
        "streamfer.training.trust",
        "Fits how far the answers of the networks in a folder can be trusted.",
    )
    default = TrustFitting()
    parser.add_argument("--views", type=int, default=default.views, help="of each fitted face")
    parser.add_argument(
        "--evaluation-faces",
        type=int,
        default=default.evaluation_faces,
        help="validation faces to judge on; 0: all",
    )
    parser.add_argument(
        "--refined", type=int, default=default.refined, help="views to refine, in either set"
    )
    parser.add_argument("--steps", type=int, default=default.steps, help="of the refinement")
    parser.add_argument("--seed", type=int, default=default.seed)
    return run_command(lambda: _fit(parser.parse_args(arguments)))


def _fit(options: argparse.Namespace) -> None:
    weights = WeightFiles(options.weights)
    config = config_from(options, TrustFitting)
    device = pick_device(options.device)
    models, figures = fit(weights, splits_from(options, Console(stderr=True)), config, device)
    for label_set, kinds in figures.items():
        for faces, report in kinds.items():
            for kind, numbers in report.items():
                shown = "  ".join(f"{k} {v:.4g}" for k, v in numbers.items())
                print(f"{label_set} {faces} {kind}: {shown}", file=sys.stderr)
    notes = {"recipe": asdict(config), "figures": figures}
    try:
        save_trust(models, digest(weights.face_network), options.out, notes)
    except OSError as error:
        raise OutputError(f"{options.out}: cannot write: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
