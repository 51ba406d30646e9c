"""Two prediction files held against each other: McNemar's test and a paired bootstrap."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import ConfigError
from streamfer.evaluation.agreement import RESAMPLES
from streamfer.evaluation.mcnemar import compare_paired
from streamfer.media.files.array_file import NO_ARRAYS


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What `eval classifier --predictions` wrote."""

    answers: NDArray[np.int64] = field(repr=False)
    """(n,) index into LABELS."""
    classes: NDArray[np.int64] = field(repr=False)
    """(n,) the truth."""
    names: tuple[str, ...] = field(repr=False)
    """(n,) what each face is called."""
    subjects: tuple[str, ...] = field(repr=False)
    """(n,) who is in each picture; empty where unknown."""


def read_predictions(path: Path) -> Predictions:
    """Reads what `eval classifier --predictions` wrote.

    Raises:
        ConfigError: the file is missing, or not such predictions.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            probs, classes = arrays["probs"], arrays["label"]
            names = arrays["name"] if "name" in arrays else arrays["index"]
            subjects = arrays.get("subject", ())
    except NO_ARRAYS as error:
        raise ConfigError(f"{path}: not predictions of eval classifier: {error}") from error
    if probs.ndim != 2 or len(probs) != len(classes) or not len(classes):
        raise ConfigError(f"{path}: not predictions of eval classifier: {probs.shape} answers")
    return Predictions(
        probs.argmax(axis=1), classes, tuple(map(str, names)), tuple(map(str, subjects))
    )


def compare_predictions(a: Path, b: Path, seed: int = 0) -> dict[str, Any]:
    """Holds two classifiers against each other on the same faces.

    Args:
        a: predictions of the first.
        b: of the second, for the same faces in the same order.
        seed: of the bootstrap.

    Returns:
        McNemar's comparison (see `PairedComparison`), `difference` (accuracy of b less that of a),
        `confidence_95` of it and `confidence_95_by`: whole subjects are drawn where both files know
        them. The interval is null where there are fewer than two to draw.

    Raises:
        ConfigError: a file is none, or they are of different faces.
    """
    first, second = read_predictions(a), read_predictions(b)
    if first.names != second.names or not np.array_equal(first.classes, second.classes):
        raise ConfigError(
            f"{a} and {b}: not of the same faces in the same order; paired tests need that"
        )
    comparison = compare_paired(first.answers, second.answers, first.classes)
    by_subject = bool(first.subjects) and first.subjects == second.subjects
    gained = (second.answers == first.classes).astype(np.int64)
    gained -= first.answers == first.classes
    units = first.subjects if by_subject else tuple(map(str, range(len(gained))))
    return {
        **asdict(comparison),
        "difference": comparison.accuracy_b - comparison.accuracy_a,
        "confidence_95": _interval(gained, units, seed),
        "confidence_95_by": "subject" if by_subject else "face",
    }


def _interval(gained: NDArray[np.int64], units: tuple[str, ...], seed: int) -> list[float] | None:
    """95 % percentile interval of the mean of (n,) values, drawn by unit."""
    names, members = np.unique(np.asarray(units), return_inverse=True)
    if len(names) < 2:
        return None
    totals = np.bincount(members, weights=gained)
    sizes = np.bincount(members)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    low, high = np.percentile(drawn @ totals / (drawn @ sizes), [2.5, 97.5])
    return [float(low), float(high)]
