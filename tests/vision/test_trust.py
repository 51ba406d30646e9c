from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streamfer.errors import EngineError
from streamfer.labels import LABEL_SETS, LabelSet
from streamfer.models.shipped import SHIPPED, digest
from streamfer.types import Detection, FloatArray
from streamfer.vision.trust import (
    FIDELITY_FEATURE,
    PRIOR_FEATURE,
    LogisticModel,
    TrustModel,
    load_trust,
    save_trust,
    trust_features,
)
from streamfer.vision.upright import UprightModel

LANDMARKS = np.array([[30, 40], [70, 40], [50, 60], [38, 80], [62, 80]], np.float32)
MODEL = TrustModel(
    LogisticModel({"confidence": 1.0, "size": 0.5}, -2.0),
    LogisticModel({PRIOR_FEATURE: 1.0, FIDELITY_FEATURE: 1.0}, -4.0),
)


def detection(score: float = 0.9, height: float = 100.0) -> Detection:
    return Detection(np.array([0, 0, 80, height], np.float32), score, LANDMARKS)


def answer(top: float) -> FloatArray:
    probs = np.full(7, (1 - top) / 6, np.float32)
    probs[3] = top
    return probs


def test_trust_rises_with_confidence_and_size_and_falls_with_the_error() -> None:
    sure, unsure = (MODEL.trust(answer(p), detection(), None) for p in (0.9, 0.4))
    assert sure > unsure
    assert sure > MODEL.trust(answer(0.9), detection(height=20), None)
    good, bad = (MODEL.trust(answer(0.9), detection(), e) for e in (0.005, 0.05))
    assert good > bad


def turned(degrees: float, eyes: float = 1.0) -> Detection:
    """A face that leans by so much in its picture, its eyes as far apart as it says."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = LANDMARKS - 55
    points[:2, 0] = (points[:2, 0] + 5) * eyes - 5
    landmarks = (points @ turn + 100).astype(np.float32)
    return Detection(np.array([40, 40, 160, 160], np.float32), 0.9, landmarks)


def test_a_face_that_hangs_upside_down_is_not_trusted() -> None:
    certain = answer(0.999)
    upright = MODEL.trust(certain, turned(0), None)
    assert upright > 0.9
    for degrees in (-100, -60, -30, 30, 60, 100):
        assert MODEL.trust(certain, turned(degrees), None) == pytest.approx(upright, abs=0.01)
    for degrees in (-170, -130, 120, 130, 180):
        assert MODEL.trust(certain, turned(degrees), None) < 0.5
        assert MODEL.trust(certain, turned(degrees), 0.001) < 0.5


def test_a_face_that_leans_and_cannot_be_turned_upright_is_not_trusted() -> None:
    certain = answer(0.999)
    assert MODEL.trust(certain, turned(0, eyes=0.2), None) > 0.5  # a profile
    assert MODEL.trust(certain, turned(60, eyes=0.2), None) < 0.5


def test_a_crop_that_hangs_upside_down_is_not_trusted_whatever_its_landmarks_say() -> None:
    model = replace(MODEL, upright=UprightModel(np.array([1, 0], np.float32), 0.0))
    upright, hanging = np.array([[1, 0]], np.float32), np.array([[-1, 0]], np.float32)
    for error in (None, 0.001):
        without = MODEL.trust(answer(0.999), detection(), error)
        assert model.trust(answer(0.999), detection(), error) == without
        assert model.trust(answer(0.999), detection(), error, upright) == without
        assert model.trust(answer(0.999), detection(), error, hanging) < 0.5
        # Both say the same: it is distrusted once.
        twice = model.trust(answer(0.999), turned(180), error, hanging)
        assert twice == MODEL.trust(answer(0.999), turned(180), error)


def test_a_face_without_landmarks_is_as_upright_as_any() -> None:
    blind = Detection(np.array([0, 0, 80, 100], np.float32), 0.9, np.full((5, 2), np.nan, "f4"))
    assert MODEL.trust(answer(0.999), blind, None) > 0.5


def test_features_are_finite_at_the_extremes() -> None:
    certain = np.eye(7, dtype=np.float32)[0]
    blind = Detection(np.zeros(4, np.float32), 0.0, np.full((5, 2), np.nan, np.float32))
    features = trust_features(certain, blind)
    assert np.isfinite(list(features.values())).all()


def test_the_error_is_ignored_by_a_model_that_does_not_know_it() -> None:
    model = TrustModel(MODEL.without_error, None)
    without = model.trust(answer(0.9), detection(), None)
    assert model.trust(answer(0.9), detection(), 0.01) == without


def test_models_come_back_by_label_set(tmp_path: Path) -> None:
    other = TrustModel(LogisticModel({"margin": 2.0}, 0.5), None)
    save_trust({"ferplus": MODEL, "fer2013": other}, "ab", tmp_path / "trust.json", {"n": 3})
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


@pytest.mark.parametrize(
    ("weights", "bias", "message"),
    [
        ({"mood": 1.0}, 0.0, "mood"),
        ({FIDELITY_FEATURE: 1.0}, 0.0, FIDELITY_FEATURE),
        ({"size": float("inf")}, 0.0, "not finite"),
        ({"size": 1.0}, float("nan"), "not finite"),
    ],
)
def test_weights_that_make_no_sense_are_refused(
    tmp_path: Path, weights: dict[str, float], bias: float, message: str
) -> None:
    odd = TrustModel(LogisticModel(weights, bias), None)
    save_trust({"ferplus": odd, "fer2013": MODEL}, "ab", tmp_path / "trust.json", {})
    with pytest.raises(EngineError, match=message):
        load_trust(tmp_path / "trust.json", "ferplus")


def test_huge_weights_end_at_certainty() -> None:
    model = TrustModel(LogisticModel({"confidence": 1e6}, 0.0), None)
    assert model.trust(answer(0.9), detection(), None) == pytest.approx(1.0)
    assert model.trust(answer(0.2), detection(), None) == pytest.approx(0.0)


def test_the_shipped_model_was_fitted_to_the_shipped_networks() -> None:
    document = json.loads(SHIPPED.trust.read_text())
    assert document["face_sha256"] == digest(SHIPPED.face_network), "run streamfer train trust"


@pytest.mark.parametrize("label_set", LABEL_SETS)
def test_shipped_trust_of_0_9_means_right_nine_times_in_ten(label_set: LabelSet) -> None:
    load_trust(SHIPPED.trust, label_set)
    figures = json.loads(SHIPPED.trust.read_text())["notes"]["figures"][label_set]
    for kind in figures["folds"]:
        # Of both sets of faces together: few were refined, and of some dozen a single one counts
        # for several points.
        reports = [figures[faces][kind] for faces in ("folds", "validation")]
        high = [report["n"] * report["share_high"] for report in reports]
        right = sum(n * r["accuracy_high"] for n, r in zip(high, reports, strict=True))
        assert right >= 0.9 * sum(high), kind
        for report in reports:
            assert label_set == "fer2013" or report["share_high"] >= 0.25, kind
