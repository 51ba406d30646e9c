"""Evaluation of the face classifier on labelled faces it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from streamfer.engine import Engine
from streamfer.errors import ConfigError
from streamfer.evaluation.agreement import (
    FIGURES,
    accuracy_of,
    accuracy_per_subject,
    bootstrap_95,
)
from streamfer.evaluation.duplicates import hash_pictures, near_duplicates
from streamfer.evaluation.metrics import (
    class_scores,
    confusion_matrix,
    expected_calibration_error,
)
from streamfer.evaluation.served import served_answers
from streamfer.evaluation.training_hashes import training_hashes
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.served_classifier import load_served_classifier
from streamfer.models.shipped import weights_sha256
from streamfer.models.vgg import (
    SHIPPED_FACE_WEIGHTS,
    FaceVGG,
)
from streamfer.training.data_summary import DataSummary
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import align_pictures, open_landmarks, summary_of
from streamfer.training.faces.sketch import pencil_sketch
from streamfer.training.faces.sources import Split, held_out_split, read_faces
from streamfer.training.reading import Reading
from streamfer.types import FloatArray, UInt8Array

_DEFAULT = Reading()
_BATCH = 256
_TTA_SHIFT_PX = 3
_TTA_DIRECTIONS = ((0, 0), (-1, -1), (1, -1), (-1, 1), (1, 1))


@dataclass(frozen=True, slots=True)
class EvaluationConfig:
    """What to evaluate, on what, and how."""

    data: Path
    """Parquet or CSV file, folder of Parquet files, or image tree."""
    labels: LabelSet | None = None
    """The head that answers and the truth that it is held to; None takes `ferplus` where the
    weights have it."""
    style: Literal["photo", "sketch"] = "photo"
    """`sketch` draws every aligned face in pencil first (paper B)."""
    tta: bool = False
    """Averages ten views: five shifts, each also mirrored."""
    split: Split | None = None
    """Where the data has splits: `validation` is FER2013's PublicTest, `test` its PrivateTest; None
    takes the first of these that is there."""
    weights: Path = SHIPPED_FACE_WEIGHTS
    training: Path | None = None
    """Data set whose near-duplicates are left out of `accuracy_dedup`; None takes the hashes that
    came with the weights."""
    landmarks: Path | None = None
    """Landmark cache to use and complete."""
    reading: Reading = field(default_factory=Reading)
    """How the data are read."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Answers and figures."""

    config: EvaluationConfig
    index: NDArray[np.int64] = field(repr=False)
    """(n,) row of each face in the input."""
    probs: FloatArray = field(repr=False)
    """(n, 7) float32."""
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) true index into LABELS."""
    duplicate: NDArray[np.bool_] | None = field(repr=False)
    """(n,) whether the picture is nearly one of the training set; None where that is not known."""
    model_sha256: str
    """Of the weights file."""
    names: tuple[str, ...] = field(default=(), repr=False)
    """(n,) what each face is called."""
    subjects: tuple[str, ...] = field(default=(), repr=False)
    """(n,) who is in each picture; empty where unknown."""
    summary: DataSummary | None = None
    """Of what was read."""

    def figures(self) -> dict[str, Any]:
        """Everything that is reported, ready for JSON."""
        confusion = confusion_matrix(self.probs, self.classes)
        answers = self.probs.argmax(axis=1)
        intervals = bootstrap_95(answers, self.classes, self.subjects)
        unseen = None if self.duplicate is None else ~self.duplicate
        seen_least = (
            np.zeros_like(confusion)
            if unseen is None
            else confusion_matrix(self.probs[unseen], self.classes[unseen])
        )
        return {
            **{name: figure(confusion) for name, figure in FIGURES.items()},
            "confidence_95": intervals["accuracy"],
            "confidence_95_by": "subject" if self.subjects else "face",
            "intervals_95": intervals,
            "per_subject": accuracy_per_subject(answers, self.classes, self.subjects),
            "n": len(self.classes),
            "per_class": {name: asdict(s) for name, s in class_scores(confusion).items()},
            "ece": expected_calibration_error(self.probs, self.classes),
            "confusion": confusion.tolist(),
            "accuracy_dedup": accuracy_of(seen_least),
            "n_dedup": None if unseen is None else int(unseen.sum()),
            "model_sha256": self.model_sha256,
            "labels": self.config.labels,
            "style": self.config.style,
            "tta": self.config.tta,
            "data": self.summary.to_dict() if self.summary else None,
        }


def evaluate_classifier(config: EvaluationConfig, engine: Engine | None = None) -> Evaluation:
    """Classifies every face that has a label.

    Args:
        config: what and how.
        engine: of the served face network, which then answers; None runs the weights in float32.

    Raises:
        ConfigError: the data is missing or malformed, or has no labels of this kind.
        EngineError: the weights are missing or broken.
    """
    answer, labels = _answerer(config, engine)
    split = config.split or held_out_split(config.data)
    config = replace(config, labels=labels, split=split)
    faces = read_faces(config.data, split, config.reading)
    truth = true_classes(faces, labels)
    index = np.flatnonzero(truth != NO_LABEL)
    if not len(index):
        raise ConfigError(f"{config.data}: no face has a label of the kind {labels}")
    cache = open_landmarks(config.landmarks, faces.pictures)
    summary = summary_of(faces, cache)
    faces = faces.subset(index)
    crops = align_pictures(faces.pictures, cache)
    if config.style == "sketch":
        crops = np.array([pencil_sketch(crop) for crop in crops], dtype=np.uint8)
    views = ten_views(crops) if config.tta else [crops]
    probs = [answer(view) for view in views]
    hashes = training_hashes(config.training, config.weights, config.reading)
    return Evaluation(
        config=config,
        index=index.astype(np.int64),
        probs=np.mean(probs, axis=0, dtype=np.float32),
        classes=truth[index],
        duplicate=None
        if hashes is None
        else near_duplicates(hash_pictures(faces.pictures), hashes),
        model_sha256=weights_sha256(config.weights),
        names=faces.names,
        subjects=faces.subjects,
        summary=summary,
    )


def _answerer(
    config: EvaluationConfig, engine: Engine | None
) -> tuple[Callable[[UInt8Array], FloatArray], LabelSet]:
    """What turns crops into probabilities, and by which head.

    Raises:
        ConfigError: the weights don't have the head that is asked for.
    """
    if engine is not None:
        served = config.labels or "ferplus"
        return lambda crops: served_answers(engine, crops)[f"probs_{served}"], served
    model = load_served_classifier(config.weights)
    labels = config.labels or model.heads[0]
    if labels not in model.heads:
        raise ConfigError(
            f"--labels {labels}: {config.weights.name} was trained on {' and '.join(model.heads)}"
        )
    return lambda crops: model.probabilities(crops, labels), labels


def true_classes(faces: LabelledFaces, labels: LabelSet) -> NDArray[np.int64]:
    """(n,) the classes that `labels` stands for.

    A data set without votes, such as an image tree, has one truth for both heads.
    """
    if labels == "ferplus" and faces.votes.any():
        return majority_class(faces.votes)
    return faces.classes


@torch.inference_mode()
def predict_probabilities(model: FaceVGG, crops: UInt8Array, labels: LabelSet) -> FloatArray:
    """(n, 7) float32 calibrated probabilities of one head for (n, 64, 64) aligned crops."""
    head = LABEL_SETS.index(labels)
    parts = [
        model.probabilities(torch.from_numpy(crops[start : start + _BATCH]))[head].numpy()
        for start in range(0, len(crops), _BATCH)
    ]
    return np.concatenate(parts)


def ten_views(crops: UInt8Array) -> list[UInt8Array]:
    """Ten views of (n, S, S) crops: the middle and four diagonal shifts, each also mirrored."""
    side = crops.shape[1]
    margin = _TTA_SHIFT_PX
    padded = np.pad(crops, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    views = []
    for right, down in _TTA_DIRECTIONS:
        top, left = margin * (1 + down), margin * (1 + right)
        view = padded[:, top : top + side, left : left + side]
        views += [np.ascontiguousarray(view), np.ascontiguousarray(view[:, :, ::-1])]
    return views
