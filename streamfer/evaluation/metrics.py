"""Figures of a classifier: accuracy, per-class scores, calibration, confusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfer.labels import LABELS, NUM_LABELS
from streamfer.types import FloatArray

CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True)
class ClassScores:
    """How one class fared; None where a figure does not exist: the precision of what was never
    answered, the recall of what was never there."""

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    """Faces that truly are of this class."""


def accuracy(probs: FloatArray, classes: NDArray[np.int64]) -> float:
    """Fraction of faces whose largest probability is at their class; 0 without faces.

    Args:
        probs: (n, 7) float32.
        classes: (n,) index into LABELS.
    """
    return float((probs.argmax(axis=1) == classes).mean()) if len(classes) else 0.0


def confusion_matrix(probs: FloatArray, classes: NDArray[np.int64]) -> NDArray[np.int64]:
    """(7, 7) counts: rows are the true classes, columns the predicted ones."""
    counts = np.zeros((NUM_LABELS, NUM_LABELS), dtype=np.int64)
    np.add.at(counts, (classes, probs.argmax(axis=1)), 1)
    return counts


def class_scores(confusion: NDArray[np.int64]) -> dict[str, ClassScores]:
    """Precision, recall and F1 of every class, from a confusion matrix."""
    scores = {}
    for index, name in enumerate(LABELS):
        hits = float(confusion[index, index])
        predicted, support = int(confusion[:, index].sum()), int(confusion[index].sum())
        scores[name] = ClassScores(
            precision=hits / predicted if predicted else None,
            recall=hits / support if support else None,
            f1=2 * hits / (predicted + support) if predicted + support else None,
            support=support,
        )
    return scores


def expected_calibration_error(
    probs: FloatArray, classes: NDArray[np.int64], bins: int = CALIBRATION_BINS
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins (Guo et al., 2017, eq. 3).

    Args:
        probs: (n, 7) float32.
        classes: (n,) index into LABELS.
        bins: number of bins over [0, 1]; each is open on its left side.
    """
    if not len(classes):
        return 0.0
    confidence = probs.max(axis=1).astype(np.float64)
    correct = probs.argmax(axis=1) == classes
    index = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    gap = np.zeros(bins)
    np.add.at(gap, index, confidence - correct)
    return float(np.abs(gap).sum() / len(classes))
