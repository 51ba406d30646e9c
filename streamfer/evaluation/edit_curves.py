"""What edits at growing strength do to the faces of a set: success, order, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from streamfer.types import FloatArray

_RESAMPLES = 1000


def success(probs: FloatArray, strengths: FloatArray, target: int) -> NDArray[np.float64]:
    """The share that is read as wanted at each strength, of the faces that were not at strength 0.

    Args:
        probs: (n, S, 7) answers for n faces at S strengths.
        strengths: (S,) with a 0 among them.
        target: index of the wanted expression.

    Returns:
        (S,); NaN where every face showed it before.
    """
    hit = _hits(probs, strengths, target)
    return hit.mean(axis=0) if len(hit) else np.full(len(strengths), np.nan)


def success_interval(
    probs: FloatArray, strengths: FloatArray, target: int, at: int, seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the success at the strength with index `at`."""
    hit = _hits(probs, strengths, target)[:, at]
    if not len(hit):
        return float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    shares = hit[rng.integers(len(hit), size=(_RESAMPLES, len(hit)))].mean(axis=1)
    low, high = np.percentile(shares, (2.5, 97.5))
    return float(low), float(high)


def strength_for(share: float, curve: NDArray[np.float64], strengths: FloatArray) -> float | None:
    """The least strength above 0 at which the success reaches a share, between the measured ones on
    a straight line; None where it never does."""
    before_s, before = 0.0, 0.0
    for strength, value in zip(strengths, curve, strict=True):
        if strength <= 0:
            continue
        if value >= share:
            return float(before_s + (share - before) / (value - before) * (strength - before_s))
        before_s, before = float(strength), float(value)
    return None


def order_of_faces(probs: FloatArray, strengths: FloatArray, target: int) -> float:
    """Spearman's rank correlation of strength and the target's probability, mean over faces."""
    return _mean_over(probs[:, :, target], lambda row: _spearman(row, strengths))


def order_of_mean(probs: FloatArray, strengths: FloatArray, target: int) -> float:
    """The same of the faces' mean probability."""
    return _spearman(probs[:, :, target].mean(axis=0), strengths)


def steps_that_rise(probs: FloatArray, target: int) -> float:
    """The share of steps of strength at which the target's probability doesn't fall."""
    return float((np.diff(probs[:, :, target], axis=1) >= 0).mean())


def nearest_is_own(
    faces: FloatArray, own: FloatArray, others: FloatArray
) -> tuple[float, dict[str, float]]:
    """Whether edited faces are still nearest to their own person.

    Args:
        faces: (n, d) embeddings of edited faces.
        own: (n, d) of the same faces, unedited.
        others: (m, d) of strangers.

    Returns:
        Share of the faces that are nearer to their own person than to any stranger; medians of the
        distances to the own person and to a stranger.
    """
    mine = np.linalg.norm(faces - own, axis=1)
    strange = np.linalg.norm(faces[:, None] - others[None], axis=2)
    medians = {"own": float(np.median(mine)), "stranger": float(np.median(strange))}
    return float((mine < strange.min(axis=1)).mean()), medians


def _hits(probs: FloatArray, strengths: FloatArray, target: int) -> NDArray[np.bool_]:
    answers = probs.argmax(axis=2)
    before = answers[:, int(np.abs(strengths).argmin())]
    found: NDArray[np.bool_] = answers[before != target] == target
    return found


def _spearman(values: NDArray[Any], strengths: FloatArray) -> float:
    ranks = rankdata(values)
    if ranks.std() == 0:
        return 0.0
    return float(np.corrcoef(ranks, rankdata(strengths))[0, 1])


def _mean_over(rows: NDArray[Any], function: Callable[[NDArray[Any]], float]) -> float:
    return float(np.mean([function(row) for row in rows]))
