from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.types import Detection, FloatArray
from streamfer.vision.trust import (
    ERROR_FEATURE,
    LogisticModel,
    TrustModel,
    load_trust,
    save_trust,
    trust_features,
)

CROP = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
LANDMARKS = np.array([[30, 40], [70, 40], [50, 60], [38, 80], [62, 80]], np.float32)
MODEL = TrustModel(
    LogisticModel({"confidence": 1.0, "log_height": 0.5}, -2.0),
    LogisticModel({"confidence": 1.0, ERROR_FEATURE: -1.0}, -3.0),
)


def detection(score: float = 0.9, height: float = 100.0) -> Detection:
    return Detection(np.array([0, 0, 80, height], np.float32), score, LANDMARKS)


def answer(top: float) -> FloatArray:
    probs = np.full(7, (1 - top) / 6, np.float32)
    probs[3] = top
    return probs


def test_trust_rises_with_confidence_and_size_and_falls_with_the_error() -> None:
    sure, unsure = (MODEL.trust(answer(p), detection(), CROP, None) for p in (0.9, 0.4))
    assert sure > unsure
    assert sure > MODEL.trust(answer(0.9), detection(height=20), CROP, None)
    good, bad = (MODEL.trust(answer(0.9), detection(), CROP, e) for e in (0.005, 0.05))
    assert good > bad


def test_features_are_finite_at_the_extremes() -> None:
    certain = np.eye(7, dtype=np.float32)[0]
    blind = Detection(np.zeros(4, np.float32), 0.0, np.full((5, 2), np.nan, np.float32))
    features = trust_features(certain, blind, np.zeros((64, 64), np.uint8))
    assert np.isfinite(list(features.values())).all()


def test_the_error_is_ignored_by_a_model_that_does_not_know_it() -> None:
    model = TrustModel(MODEL.without_error, None)
    without = model.trust(answer(0.9), detection(), CROP, None)
    assert model.trust(answer(0.9), detection(), CROP, 0.01) == without


def test_models_come_back_by_label_set(tmp_path: Path) -> None:
    other = TrustModel(LogisticModel({"margin": 2.0}, 0.5), None)
    save_trust({"ferplus": MODEL, "fer2013": other}, tmp_path / "trust.json", {"n": 3})
    assert load_trust(tmp_path / "trust.json", "ferplus") == MODEL
    assert load_trust(tmp_path / "trust.json", "fer2013") == other


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        ("{", "not a trust model"),
        ('{"schema": "other"}', r"expected schema streamfer\.trust/1"),
        ('{"schema": "streamfer.trust/1", "models": {}}', "not a trust model"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "trust.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(EngineError, match=rf"trust\.json: .*{message}"):
        load_trust(path, "ferplus")


def test_unknown_features_are_refused(tmp_path: Path) -> None:
    save_trust({"ferplus": MODEL, "fer2013": MODEL}, tmp_path / "trust.json", {})
    document = json.loads((tmp_path / "trust.json").read_text())
    document["models"]["ferplus"]["without_error"]["weights"]["mood"] = 1.0
    (tmp_path / "trust.json").write_text(json.dumps(document))
    with pytest.raises(EngineError, match="mood"):
        load_trust(tmp_path / "trust.json", "ferplus")
