"""Figures that papers report of a classifier beside its accuracy, and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.labels import NUM_LABELS

Figure = Callable[[NDArray[np.int64]], float | None]
"""Of a confusion matrix, (7, 7): rows are the true classes, columns the answers."""

RESAMPLES = 2000


def accuracy_of(confusion: NDArray[np.int64]) -> float | None:
    """Share of the faces that are read right; None without faces."""
    total = confusion.sum()
    return float(np.trace(confusion) / total) if total else None


def macro_f1(confusion: NDArray[np.int64]) -> float | None:
    """Mean F1 of the classes that have faces; None where none has."""
    present = confusion.sum(axis=1) > 0
    if not present.any():
        return None
    hits = np.diag(confusion)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return float(f1[present].mean())


def unweighted_average_recall(confusion: NDArray[np.int64]) -> float | None:
    """Mean recall of the classes that have faces; None where none has."""
    support = confusion.sum(axis=1)
    present = support > 0
    if not present.any():
        return None
    return float((np.diag(confusion)[present] / support[present]).mean())


def cohen_kappa(confusion: NDArray[np.int64]) -> float | None:
    """Agreement beyond chance (Cohen, 1960); None where chance alone explains everything."""
    total = confusion.sum()
    if not total:
        return None
    by_chance = float((confusion.sum(axis=0) * confusion.sum(axis=1)).sum() / total**2)
    observed = float(np.trace(confusion) / total)
    return (observed - by_chance) / (1 - by_chance) if by_chance < 1 else None


FIGURES: dict[str, Figure] = {
    "accuracy": accuracy_of,
    "macro_f1": macro_f1,
    "uar": unweighted_average_recall,
    "kappa": cohen_kappa,
}


def bootstrap_95(
    answers: NDArray[np.int64],
    classes: NDArray[np.int64],
    subjects: Sequence[str] = (),
    seed: int = 0,
) -> dict[str, list[float] | None]:
    """95 % percentile intervals of FIGURES (Efron & Tibshirani, 1993).

    Faces of one person are alike, so whole subjects are drawn where they are known; None where
    there are fewer than two of what is drawn, or a figure does not exist.

    Args:
        answers: (n,) what was read.
        classes: (n,) the truth.
        subjects: (n,) who is in each picture; empty where unknown.
        seed: of the draws.
    """
    names = np.asarray(subjects) if len(subjects) else np.arange(len(classes))
    units, members = np.unique(names, return_inverse=True)
    if len(units) < 2:
        return dict.fromkeys(FIGURES)
    counts = np.zeros((len(units), NUM_LABELS, NUM_LABELS), np.int64)
    np.add.at(counts, (members, classes, answers), 1)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), RESAMPLES)
    resampled = (drawn @ counts.reshape(len(units), -1)).reshape(-1, NUM_LABELS, NUM_LABELS)
    return {name: _interval([figure(c) for c in resampled]) for name, figure in FIGURES.items()}


def _interval(values: Sequence[float | None]) -> list[float] | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return [float(low), float(high)]


def accuracy_per_subject(
    answers: NDArray[np.int64], classes: NDArray[np.int64], subjects: Sequence[str]
) -> dict[str, dict[str, Any]] | None:
    """Accuracy and number of faces of every subject; None where subjects are unknown."""
    if not len(subjects):
        return None
    names = np.asarray(subjects)
    right = answers == classes
    return {
        str(name): {"accuracy": float(right[names == name].mean()), "n": int((names == name).sum())}
        for name in np.unique(names)
    }
