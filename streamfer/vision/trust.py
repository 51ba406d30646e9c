"""How far an answer can be trusted: the probability that the label is right.

A logistic model of what is known of the face in this frame, fitted by `streamfer.training.trust` on
faces degraded as streams degrade them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfer.errors import EngineError
from streamfer.labels import LabelSet
from streamfer.types import Detection, FloatArray
from streamfer.vision.align import landmarks_reliable
from streamfer.vision.heads.pose import pose_degrees
from streamfer.vision.quality import frontal_score, size_score
from streamfer.vision.upright import UprightModel

TRUST_SCHEMA = "streamfer.trust/1"

FEATURES = ("confidence", "margin", "score", "size", "frontal")
"""Log-odds of the largest probability, log ratio of the two largest, log-odds of the detector's
score, log of `size_score`, and `frontal_score` of `streamfer.vision.quality`. The larger each is,
the better the face."""
PRIOR_FEATURE = "activation"
"""What the model without the error says, in log-odds: all that the model with it builds on."""
FIDELITY_FEATURE = "fidelity"
"""Negative log of the reconstruction error, where that is known."""

_MOST_ROLL_DEG = 110.0
"""A face that leans more than this hangs upside down. Faces that lie are found, aligned and read as
upright ones are, and their landmarks lean by 90 degrees more or less."""
_MOST_ROLL_OF_BLIND_DEG = 30.0
"""The same of a face whose landmarks cannot carry an alignment: nothing turns it upright."""
_TURNED_SHARE = 0.5
"""Of the probability, for faces that lean more. Measured with 30 faces of 10 photographs, turned in
steps of 20 degrees: at 140 degrees and more, 37 of 74 answers that were trusted with at least 0.5
were those of the upright face."""

_LEAST = 1e-4
_MOST = 50.0
"""Log-odds beyond which a probability is 0 or 1 to a float's precision."""


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Weights per feature, and a bias."""

    weights: Mapping[str, float]
    bias: float

    def activation(self, features: Mapping[str, float]) -> float:
        """The log-odds for one face."""
        return self.bias + sum(w * features[name] for name, w in self.weights.items())

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability for one face."""
        activation = min(max(self.activation(features), -_MOST), _MOST)
        return 1 / (1 + math.exp(-activation))


@dataclass(frozen=True, slots=True)
class TrustModel:
    """Trust in the answers of one head."""

    without_error: LogisticModel
    with_error: LogisticModel | None
    """For faces whose reconstruction error is known; None where there was no generator to fit it
    with."""
    upright: UprightModel | None = None
    """Knows crops that do not stand upright from their codes, whatever their landmarks say; None
    where there was no encoder to fit it with."""

    def trust(
        self,
        probs: FloatArray,
        detection: Detection,
        reconstruction_error: float | None,
        latent: FloatArray | None = None,
    ) -> float:
        """Probability that the largest of `probs` is at the right label.

        Args:
            probs: (7,) the answer that is trusted or not.
            detection: the face in its frame.
            reconstruction_error: pixel MSE on a [0, 1] scale, where known.
            latent: (num_ws, w_dim) float32, the encoder's code of the aligned face, where known.
        """
        turned = is_turned(detection)
        if self.upright is not None and latent is not None:
            turned |= not self.upright.is_upright(latent)
        share = _TURNED_SHARE if turned else 1.0
        features = trust_features(probs, detection)
        if reconstruction_error is None or self.with_error is None:
            return share * self.without_error.probability(features)
        activation = self.without_error.activation(features)
        known = error_features(activation, reconstruction_error)
        return share * self.with_error.probability(known)


def is_turned(detection: Detection) -> bool:
    """Whether a face leans so far in the picture that what is read of it cannot be trusted.

    The models were fitted to faces that lean as people's heads do.
    """
    roll = abs(pose_degrees(detection.landmarks)[2])
    # Without landmarks nothing is known: their roll is not a number, which is no more than any.
    if roll > _MOST_ROLL_DEG:
        return True
    return roll > _MOST_ROLL_OF_BLIND_DEG and not landmarks_reliable(detection)


def trust_features(probs: FloatArray, detection: Detection) -> dict[str, float]:
    """What the model without the error looks at, named as in FEATURES."""
    second, first = np.sort(probs)[-2:].tolist()
    return {
        "confidence": _log_odds(first),
        "margin": math.log(max(first, _LEAST) / max(second, _LEAST)),
        "score": _log_odds(detection.score),
        "size": math.log(max(size_score(detection), _LEAST)),
        "frontal": frontal_score(detection.landmarks),
    }


def error_features(activation: float, reconstruction_error: float) -> dict[str, float]:
    """What the model with the error looks at."""
    fidelity = -math.log(max(reconstruction_error, _LEAST))
    return {PRIOR_FEATURE: activation, FIDELITY_FEATURE: fidelity}


def save_trust(
    models: Mapping[LabelSet, TrustModel],
    face_sha256: str,
    path: Path,
    notes: Mapping[str, object],
) -> None:
    """Writes the models of all label sets as JSON.

    Args:
        models: one for each head.
        face_sha256: digest of the face network's files, whose answers they were fitted to.
        path: the file to write.
        notes: how they were fitted, and the figures.
    """
    content = {
        label_set: {
            kind: None if model is None else {"weights": dict(model.weights), "bias": model.bias}
            for kind, model in (
                ("without_error", trust.without_error),
                ("with_error", trust.with_error),
            )
        }
        for label_set, trust in models.items()
    }
    document = {
        "schema": TRUST_SCHEMA,
        "face_sha256": face_sha256,
        "models": content,
        "notes": dict(notes),
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def load_trust(path: Path, label_set: LabelSet) -> TrustModel:
    """Reads the model of one label set.

    Raises:
        EngineError: the file is missing, damaged or of another kind.
    """
    try:
        document = json.loads(path.read_text())
        if document["schema"] != TRUST_SCHEMA:
            raise EngineError(f"{path.name}: expected schema {TRUST_SCHEMA}")
        entry = document["models"][label_set]
        known = entry["with_error"]
        return TrustModel(
            _model(entry["without_error"], FEATURES),
            None if known is None else _model(known, (PRIOR_FEATURE, FIDELITY_FEATURE)),
        )
    except OSError as error:
        raise EngineError(f"{path.name}: cannot read the trust model: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path.name}: not a trust model: {error!r}") from error


def _model(
    entry: Mapping[str, Mapping[str, float] | float], features: Sequence[str]
) -> LogisticModel:
    weights, bias = entry["weights"], entry["bias"]
    if not isinstance(weights, Mapping) or not isinstance(bias, int | float):
        raise ValueError("weights and bias are missing")
    unknown = set(weights) - set(features)
    if unknown:
        raise ValueError(f"unknown features {sorted(unknown)}")
    numbers = [*(float(w) for w in weights.values()), float(bias)]
    if not np.isfinite(numbers).all():
        raise ValueError("a number is not finite")
    return LogisticModel({name: float(w) for name, w in weights.items()}, float(bias))


def _log_odds(probability: float) -> float:
    clipped = min(max(probability, _LEAST), 1 - _LEAST)
    return math.log(clipped / (1 - clipped))
