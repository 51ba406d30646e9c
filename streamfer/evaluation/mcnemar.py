"""Whether one classifier is better than another on the same faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from streamfer.labels import LabelSet


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two classifiers on the same faces."""

    n: int
    accuracy_a: float
    accuracy_b: float
    only_a: int
    """Faces that only the first got right."""
    only_b: int
    p_value: float
    """Of McNemar's exact two-sided test: how often equals would differ this much by chance."""


def compare_paired(
    predicted_a: NDArray[np.int64], predicted_b: NDArray[np.int64], classes: NDArray[np.int64]
) -> PairedComparison:
    """McNemar's exact test (McNemar 1947): only the faces on which the two differ count.

    Args:
        predicted_a: (n,) answers of the first classifier.
        predicted_b: (n,) answers of the second.
        classes: (n,) the truth.
    """
    right_a, right_b = predicted_a == classes, predicted_b == classes
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    differing = only_a + only_b
    return PairedComparison(
        n=len(classes),
        accuracy_a=float(right_a.mean()) if len(classes) else 0.0,
        accuracy_b=float(right_b.mean()) if len(classes) else 0.0,
        only_a=only_a,
        only_b=only_b,
        p_value=float(binomtest(only_a, differing).pvalue) if differing else 1.0,
    )


def comparison_table(
    styles: Mapping[str, Mapping[LabelSet, PairedComparison]], a: str, b: str
) -> str:
    """Comparisons as a Markdown table.

    Args:
        styles: by style of picture and label set.
        a: what the first classifier is called.
        b: the second.
    """
    rows = [
        f"| style | labels | faces | {a} | {b} | only {a} right | only {b} right | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| {style} | {labels} | {c.n:,} | {c.accuracy_a:.2%} | {c.accuracy_b:.2%}"
        f" | {c.only_a} | {c.only_b} | {c.p_value:.2g} |"
        for style, sets in styles.items()
        for labels, c in sets.items()
    ]
    return "\n".join(rows) + "\n"
