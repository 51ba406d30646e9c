"""Fitting and judging models of trust.

Every feature is larger for a better face, and no fitted weight is negative: a worse picture of the
same answer is never trusted more, on which faces unlike the fitted ones can rely.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamfer.engine import Array
from streamfer.vision.trust import (
    FEATURES,
    FIDELITY_FEATURE,
    PRIOR_FEATURE,
    LogisticModel,
    TrustModel,
    error_features,
)

HIGH = 0.9
"""The trust that must mean right nine times in ten."""
LOW = 0.5
"""The trust below which no answer is shown."""
_FOLDS = 5
_RIDGE = 1.0
_NEWTON_STEPS = 30
_LEAST_REFINED = 50
"""With fewer known reconstruction errors nothing is fitted to them."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Answers on faces whose label is known."""

    groups: NDArray[np.int64] = field(repr=False)
    """(n,) the picture that each face is a view of."""
    features: Sequence[Mapping[str, float]] = field(repr=False)
    """Of each face, named as in FEATURES."""
    right: NDArray[np.bool_] = field(repr=False)
    """(n,) whether the answer was right."""
    errors: Array = field(repr=False)
    """(n,) reconstruction errors, NaN where unknown."""

    def __len__(self) -> int:
        return len(self.right)

    def subset(self, rows: NDArray[np.int64]) -> Evidence:
        """Those faces alone."""
        features = [self.features[row] for row in rows]
        return Evidence(self.groups[rows], features, self.right[rows], self.errors[rows])

    @property
    def refined(self) -> Evidence:
        """The faces whose reconstruction error is known."""
        return self.subset(np.flatnonzero(np.isfinite(self.errors)))


def fit_logistic(
    features: Sequence[Mapping[str, float]],
    right: NDArray[np.bool_],
    names: Sequence[str],
    known: Array | float = 0.0,
) -> LogisticModel:
    """Ridge-regularised logistic regression by Newton's method, with no weight below 0.

    Args:
        features: of each face.
        right: (n,) whether the answer was right.
        names: the features to use; those whose weight would be negative are left out in the end.
        known: (n,) log-odds that the model adds to.
    """
    raw = np.array([[row[name] for name in names] for row in features], dtype=np.float64)
    raw = raw.reshape(len(features), len(names))
    mean, scale = raw.mean(axis=0), raw.std(axis=0) + 1e-9
    weights = _newton((raw - mean) / scale, right, known)
    slopes = weights[:-1] / scale
    if (slopes < 0).any():
        worst = names[int(slopes.argmin())]
        return fit_logistic(features, right, [name for name in names if name != worst], known)
    bias = float(weights[-1] - slopes @ mean)
    return LogisticModel(dict(zip(names, slopes.tolist(), strict=True)), bias)


def _newton(x: Array, right: NDArray[np.bool_], known: Array | float) -> Array:
    """Weights of the columns of `x`, and last the bias, which is not regularised."""
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    ridge = np.diag([_RIDGE] * (x.shape[1] - 1) + [0.0])
    weights = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ weights + known, -30, 30)))
        gradient = x.T @ (p - right) + ridge @ weights
        curvature = (x * (p * (1 - p))[:, None]).T @ x + ridge + 1e-9 * np.eye(len(weights))
        weights -= np.linalg.solve(curvature, gradient)
    return weights


def fit_trust(evidence: Evidence) -> TrustModel:
    """The model of one head's answers; the part with the error builds on that without."""
    without = fit_logistic(evidence.features, evidence.right, FEATURES)
    refined = evidence.refined
    if len(refined) < _LEAST_REFINED:
        return TrustModel(without, None)
    # Few faces are refined: they only say by how much the error shifts what is known already.
    features = _with_errors(without, refined)
    known = np.array([row[PRIOR_FEATURE] for row in features])
    shift = fit_logistic(features, refined.right, [FIDELITY_FEATURE], known)
    return TrustModel(without, LogisticModel({PRIOR_FEATURE: 1.0, **shift.weights}, shift.bias))


def _with_errors(without: LogisticModel, refined: Evidence) -> list[dict[str, float]]:
    return [
        error_features(without.activation(features), float(error))
        for features, error in zip(refined.features, refined.errors, strict=True)
    ]


def judge(model: TrustModel, evidence: Evidence) -> dict[str, dict[str, float]]:
    """`reliability` without the error on all faces, and with it on those where it is known."""
    return _report([(model, evidence)])


def cross_validate(evidence: Evidence) -> dict[str, dict[str, float]]:
    """The same of models that were not fitted on the faces they judge: fivefold, all views of a
    picture in one fold."""
    fold = evidence.groups % _FOLDS
    parts = []
    for k in range(_FOLDS):
        seen, unseen = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        if len(seen) and len(unseen):
            parts.append((fit_trust(evidence.subset(seen)), evidence.subset(unseen)))
    return _report(parts)


def _report(parts: Sequence[tuple[TrustModel, Evidence]]) -> dict[str, dict[str, float]]:
    report = {"without_error": _reliability_of(parts, _trust_without)}
    if any(model.with_error and len(faces.refined) for model, faces in parts):
        known = [(m, faces.refined) for m, faces in parts if m.with_error and len(faces.refined)]
        report["with_error"] = _reliability_of(known, _trust_with)
        # The same faces without, to see what the error adds.
        report["without_error_same_faces"] = _reliability_of(known, _trust_without)
    return report


def _reliability_of(
    parts: Sequence[tuple[TrustModel, Evidence]],
    trust_of: Callable[[TrustModel, Evidence], Array],
) -> dict[str, float]:
    trust = np.concatenate([trust_of(model, faces) for model, faces in parts])
    return reliability(trust, np.concatenate([faces.right for _, faces in parts]))


def _trust_without(model: TrustModel, faces: Evidence) -> Array:
    return np.array([model.without_error.probability(f) for f in faces.features])


def _trust_with(model: TrustModel, faces: Evidence) -> Array:
    assert model.with_error is not None
    features = _with_errors(model.without_error, faces)
    return np.array([model.with_error.probability(f) for f in features])


def reliability(trust: Array, right: NDArray[np.bool_]) -> dict[str, float]:
    """How honest trust is.

    Args:
        trust: (n,) in [0, 1].
        right: (n,) whether the answer was right.

    Returns:
        Of the n faces the share that reaches 0.9 and how often those are right (`share_high`,
        `accuracy_high`), the same below 0.5 (`share_low`, `accuracy_low`), the mean gap between
        trust and truth over ten equal bins, and the log loss per face.
    """
    high, low = trust >= HIGH, trust < LOW
    bins = np.minimum((trust * 10).astype(int), 9)
    gaps = [
        abs(trust[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
        for b in range(10)
        if (bins == b).any()
    ]
    truth = np.clip(np.where(right, trust, 1 - trust), 1e-9, 1)
    return {
        "n": float(len(trust)),
        "accuracy": float(right.mean()),
        "share_high": float(high.mean()),
        "accuracy_high": float(right[high].mean()) if high.any() else 0.0,
        "share_low": float(low.mean()),
        "accuracy_low": float(right[low].mean()) if low.any() else 0.0,
        "calibration_error": float(sum(gaps)),
        "log_loss": float(-np.log(truth).mean()),
    }
