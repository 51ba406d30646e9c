"""Cross-validation on an image tree: paper A's CK+ protocol, and the honest one beside it.

Consecutive frames of one person look alike. Random folds put them on both sides, as paper A did;
subject-disjoint folds keep each person on one side, and near-duplicates with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.classifier import (
    Evaluation,
    EvaluationConfig,
    predict_probabilities,
    ten_views,
    true_classes,
)
from streamfer.evaluation.duplicates import hash_pictures, near_duplicates
from streamfer.evaluation.kept_folds import FoldsBy, KeptFolds
from streamfer.evaluation.metrics import accuracy
from streamfer.evaluation.training_hashes import training_hashes
from streamfer.labels import NUM_LABELS, LabelSet
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, FaceVGG, load_face_vgg
from streamfer.training.data_summary import DataSummary
from streamfer.training.faces.batches import training_faces
from streamfer.training.faces.data import NO_LABEL, LabelledFaces
from streamfer.training.faces.landmarks import (
    LandmarkCache,
    align_pictures,
    open_landmarks,
    picture_key,
    summary_of,
)
from streamfer.training.faces.sketch import pencil_sketch
from streamfer.training.faces.sources import read_all_faces
from streamfer.training.reading import Reading
from streamfer.training.runs.command import pick_device
from streamfer.training.splits import assign_folds, joint_groups
from streamfer.training.vgg.classifier_run import ClassifierConfig, ClassifierRun
from streamfer.types import FloatArray

_FREE = ("data", "by", "landmarks", "weights", "device", "checkpoints")
"""What does not change a fold's answers, or is told by its content."""


@dataclass(frozen=True, slots=True)
class FoldsConfig:
    """How to cross-validate."""

    data: Path
    """What `read_all_faces` takes: all of it is used, whatever splits it has."""
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
    labels: LabelSet | None = None
    """The head that answers and the truth that it is held to; None takes the votes where there are
    some."""
    style: Literal["photo", "sketch"] = "photo"
    """Of the faces that are tested."""
    tta: bool = False
    """Averages ten views of each tested face."""
    from_scratch: bool = False
    """Every fold starts from random weights in the shape of `weights`."""
    frozen_stages: int = 0
    """First stages, of five, that stay as in `weights`: faster."""
    checkpoints: Path | None = None
    """Folder that keeps the answers of every finished fold; a run with the same settings on the
    same faces goes on from there."""
    reading: Reading = field(default_factory=Reading)
    """How the data are read."""

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise ConfigError(f"folds must be at least 2, not {self.folds}")
        if self.from_scratch and self.frozen_stages:
            raise ConfigError(
                "--from-scratch and --frozen-stages: random weights would stay random"
            )


def cross_validate(
    config: FoldsConfig,
    report: Callable[[str], None] = lambda _: None,
    keep: Callable[[str, Evaluation], None] = lambda by, evaluation: None,
) -> dict[str, Any]:
    """Trains and tests on every fold.

    Args:
        config: what and how.
        report: is told, in a line, of every fold.
        keep: gets the answers of all folds together, for `image` and for `subject`.

    Returns:
        `protocol`, `folds`, `seed`, `from_scratch`, and for `image` and `subject` (null where not
        run) the pooled figures (see `Evaluation.figures`; `dedup` leaves out what the weights have
        learned from that every fold starts from), the accuracy `per_fold`, its `mean` and its
        sample standard deviation `sd`.

    Raises:
        ConfigError: the data is wrong, there are fewer groups than folds, or subjects are asked
            for and unknown.
        EngineError: the weights are missing or broken.
    """
    pick_device(config.device)  # what is wrong with it is said before anything is read
    tested = _read_tested(config)
    faces = tested.faces
    # All folds before the first training, which takes long: what is wrong is said at once.
    folds = _all_folds(config, faces)
    initial = load_face_vgg(config.weights)
    cache = open_landmarks(config.landmarks, faces.pictures)
    summary, seen = summary_of(faces, cache), _seen_by_start(config, faces)
    figures: dict[str, Any] = {"protocol": "kfold", "folds": config.folds, "seed": config.seed}
    figures["from_scratch"] = config.from_scratch
    kinds: tuple[FoldsBy, ...] = ("image", "subject")
    for by in kinds:
        figures[by] = None
        if by in folds:
            kept = _kept_folds(config, faces, cache, initial, by, folds[by])
            probs, per_fold = _run_folds(config, tested, cache, initial, folds[by], kept, report)
            evaluation = _evaluation(config, tested, probs, seen, summary)
            keep(by, evaluation)
            spread = {"mean": float(np.mean(per_fold)), "sd": float(np.std(per_fold, ddof=1))}
            figures[by] = {**evaluation.figures(), "per_fold": per_fold, **spread}
    return figures


@dataclass(frozen=True, slots=True, eq=False)
class _Tested:
    """The faces with a label, every one of which is tested once."""

    faces: LabelledFaces
    index: NDArray[np.int64]
    """(n,) row of each in the data."""
    labels: LabelSet
    truth: NDArray[np.int64]
    """(n,) index into LABELS."""


def _read_tested(config: FoldsConfig) -> _Tested:
    faces = read_all_faces(config.data, config.reading)
    labels: LabelSet = config.labels or ("ferplus" if faces.votes.any() else "fer2013")
    truth = true_classes(faces, labels)
    index = np.flatnonzero(truth != NO_LABEL)
    if not len(index):
        raise ConfigError(f"{config.data}: no face has a label of the kind {labels}")
    return _Tested(faces.subset(index), index.astype(np.int64), labels, truth[index])


def _all_folds(config: FoldsConfig, faces: LabelledFaces) -> dict[FoldsBy, NDArray[np.int64]]:
    """(n,) fold of each face, by what is never on both sides."""
    if config.by == "subject" and not faces.subjects:
        raise ConfigError(f"{config.data}: the file names do not tell the subjects")
    groups: dict[FoldsBy, NDArray[np.int64]] = {}
    if config.by != "subject":
        groups["image"] = np.arange(len(faces))
    # A few names among many are chance, read from the names of files.
    told = faces.subjects and 2 * len(faces.summary.unnamed) < len(faces)
    if config.by == "subject" or (config.by != "image" and told):
        groups["subject"] = joint_groups(faces)
    return {
        by: assign_folds(members.tolist(), config.folds, config.seed)
        for by, members in groups.items()
    }


def _evaluation(
    config: FoldsConfig,
    tested: _Tested,
    probs: FloatArray,
    seen: NDArray[np.bool_] | None,
    summary: DataSummary,
) -> Evaluation:
    return Evaluation(
        EvaluationConfig(config.data, tested.labels, config.style, config.tta),
        tested.index,
        probs,
        tested.truth,
        seen,
        hashlib.sha256(config.weights.read_bytes()).hexdigest(),
        tested.faces.names,
        tested.faces.subjects,
        summary,
    )


def _seen_by_start(config: FoldsConfig, faces: LabelledFaces) -> NDArray[np.bool_] | None:
    """(n,) whether the weights that every fold starts from have learned from nearly this picture;
    None where that is not known, or they start from nothing."""
    hashes = None if config.from_scratch else training_hashes(None, config.weights)
    return None if hashes is None else near_duplicates(hash_pictures(faces.pictures), hashes)


def _kept_folds(
    config: FoldsConfig,
    faces: LabelledFaces,
    cache: LandmarkCache,
    initial: FaceVGG,
    by: FoldsBy,
    fold: NDArray[np.int64],
) -> KeptFolds:
    """The finished folds, named by the SHA-256 of all that the answers of a fold depend on."""
    plain = {k: v for k, v in asdict(config).items() if k not in _FREE}
    digest = hashlib.sha256(repr(sorted(plain.items())).encode())
    digest.update(b"" if config.from_scratch else config.weights.read_bytes())
    digest.update(b"".join(picture_key(picture) for picture in faces.pictures))
    for part in (cache.matrices(faces.pictures), faces.classes, faces.votes, fold):
        digest.update(part.tobytes())
    earlier = digest.hexdigest()
    if config.from_scratch:  # of the weights only the shape counts, which was not noted earlier
        digest.update(repr(sorted(asdict(initial.config).items())).encode())
    return KeptFolds(config.checkpoints, by, digest.hexdigest(), earlier)


def _run_folds(
    config: FoldsConfig,
    tested: _Tested,
    cache: LandmarkCache,
    initial: FaceVGG,
    fold: NDArray[np.int64],
    kept: KeptFolds,
    report: Callable[[str], None],
) -> tuple[FloatArray, list[float]]:
    """(n, 7) answers to each face by the network that did not learn from it, accuracy by fold."""
    faces = tested.faces
    probs = np.zeros((len(faces), NUM_LABELS), np.float32)
    per_fold = []
    for number in range(config.folds):
        inside = np.flatnonzero(fold == number)
        answers = kept.read(number)
        if answers is None:
            train = faces.subset(np.flatnonzero(fold != number))
            model = _fine_tune(config, train, cache, initial)
            answers = _answer(config, model, faces.subset(inside), cache, tested.labels)
            kept.write(number, answers)
        probs[inside] = answers
        per_fold.append(accuracy(probs[inside], tested.truth[inside]))
        report(f"by {kept.by}, fold {number + 1} of {config.folds}: {per_fold[-1]:.4f}")
    return probs, per_fold


def _fine_tune(
    config: FoldsConfig, faces: LabelledFaces, cache: LandmarkCache, initial: FaceVGG
) -> FaceVGG:
    run_config = ClassifierConfig(
        width=initial.config.width,
        epochs=config.epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        frozen_stages=config.frozen_stages,
        sizes=(initial.config.input_size,),
        seed=config.seed,
        device=config.device,
        workers=0,
    )
    run = ClassifierRun(
        run_config,
        training_faces(faces, cache, run_config.label_smoothing),
        None if config.from_scratch else initial,
    )
    while run.epoch < config.epochs:
        run.train_epoch(lambda: None)
    return run.average.model


@torch.inference_mode()
def _answer(
    config: FoldsConfig,
    model: FaceVGG,
    faces: LabelledFaces,
    cache: LandmarkCache,
    labels: LabelSet,
) -> FloatArray:
    crops = align_pictures(faces.pictures, cache)
    if config.style == "sketch":
        crops = np.array([pencil_sketch(crop) for crop in crops], dtype=np.uint8)
    views = ten_views(crops) if config.tta else [crops]
    probs = [predict_probabilities(model.cpu(), view, labels) for view in views]
    return np.mean(probs, axis=0, dtype=np.float32)
