from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.training import trust_fit
from streamfer.training.trust_fit import (
    Evidence,
    cross_validate,
    fit_logistic,
    fit_trust,
    judge,
    reliability,
)
from streamfer.vision.trust import FEATURES, FIDELITY_FEATURE, PRIOR_FEATURE, TrustModel


def evidence(n: int, errors_matter: bool) -> Evidence:
    """Answers as sure as they say; with `errors_matter` faces that are drawn badly are wrong."""
    rng = np.random.default_rng(1)
    log_odds = rng.normal(1.5, 1.0, n)
    errors = np.exp(rng.normal(-5, 0.7, n))
    lift = -1.5 * (np.log(errors) + 5) if errors_matter else 0.0
    right = rng.random(n) < 1 / (1 + np.exp(-(log_odds + lift)))
    rows = [dict.fromkeys(FEATURES, 0.0) | {"confidence": float(x)} for x in log_odds]
    return Evidence(np.arange(n) // 4, rows, right, errors)


def test_logistic_regression_finds_what_made_the_data() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (20_000, 2))
    chance = 1 / (1 + np.exp(-(0.8 * x[:, 0] + 0.2 * x[:, 1] - 2.0)))
    right = rng.random(20_000) < chance
    model = fit_logistic([{"a": a, "b": b} for a, b in x], right, ("a", "b"))
    assert model.weights["a"] == pytest.approx(0.8, abs=0.05)
    assert model.weights["b"] == pytest.approx(0.2, abs=0.05)
    assert model.bias == pytest.approx(-2.0, abs=0.15)


def test_nothing_that_makes_a_face_better_lowers_trust() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (5_000, 2))
    right = rng.random(5_000) < 1 / (1 + np.exp(-(x[:, 0] - x[:, 1])))
    model = fit_logistic([{"a": a, "b": b} for a, b in x], right, ("a", "b"))
    assert set(model.weights) == {"a"}
    assert model.weights["a"] > 0.5


def test_reliability_of_honest_and_boastful_trust() -> None:
    rng = np.random.default_rng(0)
    trust = rng.uniform(0.2, 1.0, 20_000)
    right = rng.random(20_000) < trust
    honest = reliability(trust, right)
    assert honest["calibration_error"] < 0.02
    assert honest["accuracy_high"] == pytest.approx(0.95, abs=0.02)
    assert honest["share_high"] == pytest.approx(0.125, abs=0.01)
    assert honest["share_low"] == pytest.approx(0.375, abs=0.01)
    assert honest["accuracy_low"] == pytest.approx(0.35, abs=0.02)
    boastful = reliability(np.minimum(trust + 0.3, 1.0), right)
    assert boastful["calibration_error"] > 0.15
    assert boastful["accuracy_high"] < 0.85
    assert boastful["log_loss"] > honest["log_loss"]


def test_trust_is_honest_on_faces_it_was_not_fitted_on() -> None:
    report = cross_validate(evidence(6000, errors_matter=False))
    assert report["without_error"]["n"] == 6000
    for figures in report.values():
        assert figures["calibration_error"] < 0.03
        assert figures["accuracy_high"] > 0.9


def test_a_known_error_is_used_where_it_tells_something() -> None:
    faces = evidence(4000, errors_matter=True)
    half = replace(faces, errors=np.where(np.arange(4000) % 2, faces.errors, np.nan))
    model = fit_trust(half)
    assert model.with_error is not None
    assert model.with_error.weights[PRIOR_FEATURE] == 1.0
    assert model.with_error.weights[FIDELITY_FEATURE] == pytest.approx(1.5, abs=0.4)
    report = judge(model, half)
    assert report["with_error"]["n"] == report["without_error_same_faces"]["n"] == 2000
    assert report["with_error"]["log_loss"] < report["without_error_same_faces"]["log_loss"] - 0.03


def test_few_errors_are_not_fitted() -> None:
    faces = evidence(400, errors_matter=True)
    few = replace(faces, errors=np.where(np.arange(400) < 20, faces.errors, np.nan))
    assert fit_trust(few).with_error is None
    assert set(judge(fit_trust(few), few)) == {"without_error"}


def test_all_views_of_a_picture_are_in_one_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[set[int]] = []

    def fit(faces: Evidence) -> TrustModel:
        fitted.append(set(faces.groups.tolist()))
        return fit_trust(faces)

    monkeypatch.setattr(trust_fit, "fit_trust", fit)
    cross_validate(evidence(400, errors_matter=False))
    assert fitted == [{g for g in range(100) if g % 5 != k} for k in range(5)]
