"""Cross-validation on an image tree: paper A's CK+ protocol, and the honest one beside it.

Consecutive frames of one person look alike. Random folds put them on both sides, as paper A did;
subject-disjoint folds keep each person on one side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.classifier import predict_probabilities
from streamfer.evaluation.metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
)
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, FaceVGG, load_face_vgg
from streamfer.training.faces.batches import training_faces
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, open_landmarks
from streamfer.training.faces.sources import read_faces
from streamfer.training.runs.command import pick_device
from streamfer.training.vgg.classifier_run import ClassifierConfig, ClassifierRun
from streamfer.types import FloatArray

FoldsBy = Literal["image", "subject"]


@dataclass(frozen=True, slots=True)
class FoldsConfig:
    """How to cross-validate."""

    data: Path
    """Image tree; all of it is used."""
    folds: int = 10
    by: FoldsBy | None = None
    """What must not stand on both sides; None does `image`, and `subject` where it is known."""
    epochs: int = 8
    """Fine-tuning of each fold's network; the last epoch counts, no fold chooses its own."""
    learning_rate: float = 0.01
    batch_size: int = 32
    weights: Path = SHIPPED_FACE_WEIGHTS
    """What every fold starts from."""
    landmarks: Path | None = None
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, not {self.folds}")


def cross_validate(
    config: FoldsConfig, report: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Trains and tests on every fold.

    Args:
        config: what and how.
        report: is told, in a line, of every fold.

    Returns:
        `protocol`, `folds`, and for `image` and `subject` (null where not run) the pooled
        `accuracy`, `n`, `ece`, `confusion` and the accuracy `per_fold`.

    Raises:
        ConfigError: the data is wrong, there are fewer groups than folds, or subjects are asked
            for and unknown.
        EngineError: the weights are missing or broken.
    """
    pick_device(config.device)  # what is wrong with it is said before anything is read
    faces = read_faces(config.data, "train")
    if config.by == "subject" and not faces.subjects:
        raise ConfigError(f"{config.data}: the file names do not tell the subjects")
    # All folds before the first training, which takes long: what is wrong is said at once.
    folds = {
        by: assign_folds(list(groups), config.folds, config.seed)
        for by, groups in (("image", range(len(faces))), ("subject", faces.subjects))
        if config.by in (None, by) and len(groups) > 0
    }
    initial = load_face_vgg(config.weights)
    cache = open_landmarks(config.landmarks, faces.pictures)
    figures: dict[str, Any] = {"protocol": "kfold", "folds": config.folds}
    for by in ("image", "subject"):
        fold = folds.get(by)
        figures[by] = (
            None if fold is None else _run_folds(config, faces, cache, initial, fold, by, report)
        )
    return figures


def assign_folds(groups: Sequence[Any], folds: int, seed: int) -> NDArray[np.int64]:
    """(n,) fold of each row: a group is never split, and folds are near equal in size.

    Args:
        groups: what each row belongs to.
        folds: how many.
        seed: of the order in which groups are dealt out.

    Raises:
        ConfigError: there are fewer groups than folds.
    """
    names, members = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) < folds:
        raise ConfigError(f"{folds} folds need as many groups, there are {len(names)}")
    sizes = np.bincount(members)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    # Large groups first, each into the fold that is the smallest so far.
    order = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    load, fold_of = np.zeros(folds, np.int64), np.zeros(len(names), np.int64)
    for group in order:
        fold_of[group] = load.argmin()
        load[fold_of[group]] += sizes[group]
    return fold_of[members]


def _run_folds(
    config: FoldsConfig,
    faces: LabelledFaces,
    cache: LandmarkCache,
    initial: FaceVGG,
    fold: NDArray[np.int64],
    by: str,
    report: Callable[[str], None],
) -> dict[str, Any]:
    probs = np.zeros((len(faces), initial.head_fer2013.out_features), np.float32)
    per_fold = []
    for number in range(config.folds):
        inside = np.flatnonzero(fold == number)
        train = faces.subset(np.flatnonzero(fold != number))
        model = _fine_tune(config, train, cache, initial)
        probs[inside] = _answer(model, faces.subset(inside), cache)
        per_fold.append(accuracy(probs[inside], faces.classes[inside]))
        report(f"by {by}, fold {number + 1} of {config.folds}: {per_fold[-1]:.4f}")
    return {
        "accuracy": accuracy(probs, faces.classes),
        "n": len(faces),
        "ece": expected_calibration_error(probs, faces.classes),
        "confusion": confusion_matrix(probs, faces.classes).tolist(),
        "per_fold": per_fold,
    }


def _fine_tune(
    config: FoldsConfig, faces: LabelledFaces, cache: LandmarkCache, initial: FaceVGG
) -> FaceVGG:
    run_config = ClassifierConfig(
        width=initial.config.width,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        sizes=(initial.config.input_size,),
        seed=config.seed,
        device=config.device,
        workers=0,
    )
    run = ClassifierRun(
        run_config, training_faces(faces, cache, run_config.label_smoothing), initial
    )
    while run.epoch < config.epochs:
        run.train_epoch(lambda: None)
    return run.average.model


@torch.inference_mode()
def _answer(model: FaceVGG, faces: LabelledFaces, cache: LandmarkCache) -> FloatArray:
    crops = align_pictures(faces.pictures, cache)
    return predict_probabilities(model.cpu(), crops, "fer2013")
