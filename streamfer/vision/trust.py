"""How far an answer can be trusted: the probability that the label is right.

A logistic model of what is known of the face in this frame, fitted by `streamfer.training.trust` on
faces degraded as streams degrade them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamfer.errors import EngineError
from streamfer.labels import LabelSet
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.quality import frontal_score, sharpness_score

TRUST_SCHEMA = "streamfer.trust/1"
SHIPPED_TRUST = Path(__file__).resolve().parents[1] / "weights" / "trust.json"

FEATURES = ("confidence", "margin", "score", "log_height", "frontal", "sharpness")
"""Log-odds of the largest probability, log ratio of the two largest, log-odds of the detector's
score, log of the box's height in px, and two of `streamfer.vision.quality`."""
ERROR_FEATURE = "log_error"
"""Log of the reconstruction error, where it is known."""

_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class LogisticModel:
    """Weights per feature, and a bias."""

    weights: Mapping[str, float]
    bias: float

    def probability(self, features: Mapping[str, float]) -> float:
        """The probability for one face."""
        activation = self.bias + sum(w * features[name] for name, w in self.weights.items())
        return float(1 / (1 + np.exp(-activation)))


@dataclass(frozen=True, slots=True)
class TrustModel:
    """Trust in the answers of one head."""

    without_error: LogisticModel
    with_error: LogisticModel | None
    """For faces whose reconstruction error is known; None before there was a generator to fit
    it with."""

    def trust(
        self,
        probs: FloatArray,
        detection: Detection,
        crop: UInt8Array,
        reconstruction_error: float | None,
    ) -> float:
        """Probability that the largest of `probs` is at the right label.

        Args:
            probs: (7,) the answer that is trusted or not.
            detection: the face in its frame.
            crop: (S, S) uint8 aligned face.
            reconstruction_error: pixel MSE on a [0, 1] scale, where known.
        """
        features = trust_features(probs, detection, crop)
        if reconstruction_error is None or self.with_error is None:
            return self.without_error.probability(features)
        return self.with_error.probability(features | error_feature(reconstruction_error))


def trust_features(probs: FloatArray, detection: Detection, crop: UInt8Array) -> dict[str, float]:
    """What the model looks at, named as in FEATURES."""
    second, first = np.sort(probs.astype(np.float64))[-2:]
    height = float(detection.box_xyxy[3] - detection.box_xyxy[1])
    return {
        "confidence": _log_odds(first),
        "margin": float(np.log(max(first, _LEAST) / max(second, _LEAST))),
        "score": _log_odds(detection.score),
        "log_height": float(np.log(max(height, 1.0))),
        "frontal": frontal_score(detection.landmarks),
        "sharpness": sharpness_score(crop),
    }


def error_feature(reconstruction_error: float) -> dict[str, float]:
    """What a known reconstruction error adds to `trust_features`."""
    return {ERROR_FEATURE: float(np.log(max(reconstruction_error, _LEAST)))}


def save_trust(
    models: Mapping[LabelSet, TrustModel], path: Path, notes: Mapping[str, object]
) -> None:
    """Writes the models of all label sets as JSON; `notes` says what they were fitted on."""
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
    document = {"schema": TRUST_SCHEMA, "models": content, "notes": dict(notes)}
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
        return TrustModel(_model(entry["without_error"]), None if known is None else _model(known))
    except OSError as error:
        raise EngineError(f"{path.name}: cannot read the trust model: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path.name}: not a trust model: {error!r}") from error


def _model(entry: Mapping[str, Mapping[str, float] | float]) -> LogisticModel:
    weights, bias = entry["weights"], entry["bias"]
    if not isinstance(weights, Mapping) or not isinstance(bias, int | float):
        raise ValueError("weights and bias are missing")
    unknown = set(weights) - {*FEATURES, ERROR_FEATURE}
    if unknown:
        raise ValueError(f"unknown features {sorted(unknown)}")
    return LogisticModel({name: float(w) for name, w in weights.items()}, float(bias))


def _log_odds(probability: float) -> float:
    clipped = min(max(float(probability), _LEAST), 1 - _LEAST)
    return float(np.log(clipped / (1 - clipped)))
