from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from streamfer.training.data import NO_LABEL
from streamfer.training.stream_views import stream_view
from streamfer.training.trust import (
    SeenFaces,
    fit_logistic,
    fit_trust,
    reliability,
    see_faces,
)
from streamfer.types import Detection, UInt8Array

LANDMARKS = np.array([[30, 40], [70, 40], [50, 60], [38, 80], [62, 80]], np.float32)


class EveryOther:
    """Finds a face in the middle of every second frame."""

    name = "every other"
    sha256 = "0" * 64

    def detect(self, images: Sequence[UInt8Array]) -> list[list[Detection]]:
        face = Detection(np.array([100, 100, 180, 200], np.float32), 0.8, LANDMARKS + 90)
        return [[face] if i % 2 else [] for i in range(len(images))]

    def close(self) -> None:
        pass


def test_views_are_frames_that_differ_and_repeat_with_the_seed() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    views = [stream_view(picture, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert views[0].shape == (320, 320, 3)
    np.testing.assert_array_equal(views[0], views[1])
    assert (views[0] != views[2]).any()


def test_only_found_faces_are_seen() -> None:
    pictures = [np.full((48, 48), 40 * i, np.uint8) for i in range(3)]
    seen = see_faces(pictures, EveryOther(), views=4, seed=0)
    assert seen.rows.tolist() == [0, 0, 1, 1, 2, 2]
    assert seen.crops.shape == (6, 64, 64)
    assert len(seen.detections) == 6


def test_logistic_regression_finds_what_made_the_data() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (20_000, 2))
    chance = 1 / (1 + np.exp(-(0.8 * x[:, 0] - 2.0)))
    right = rng.random(20_000) < chance
    model = fit_logistic([{"a": a, "b": b} for a, b in x], right, ("a", "b"))
    assert model.weights["a"] == pytest.approx(0.8, abs=0.05)
    assert model.weights["b"] == pytest.approx(0.0, abs=0.05)
    assert model.bias == pytest.approx(-2.0, abs=0.15)


def test_reliability_of_honest_and_boastful_trust() -> None:
    rng = np.random.default_rng(0)
    trust = rng.uniform(0.2, 1.0, 20_000)
    right = rng.random(20_000) < trust
    honest = reliability(trust, right)
    assert honest["calibration_error"] < 0.02
    assert honest["accuracy_high"] == pytest.approx(0.95, abs=0.02)
    assert honest["share_high"] == pytest.approx(0.125, abs=0.01)
    boastful = reliability(np.minimum(trust + 0.3, 1.0), right)
    assert boastful["calibration_error"] > 0.15
    assert boastful["accuracy_high"] < 0.85


@pytest.mark.parametrize("with_errors", [False, True])
def test_fitted_trust_is_honest_on_faces_it_was_not_fitted_on(with_errors: bool) -> None:
    rng = np.random.default_rng(1)
    n = 4000
    top = rng.uniform(0.3, 0.98, n)
    probs = np.repeat(((1 - top) / 6)[:, None], 7, axis=1).astype(np.float32)
    probs[:, 0] = top
    errors = rng.uniform(0.002, 0.05, n).astype(np.float32)
    chance = top * (1 - 8 * errors if with_errors else 1)
    classes = np.where(rng.random(n) < chance, 0, 1)
    classes[:100] = NO_LABEL
    face = Detection(np.array([0, 0, 80, 100], np.float32), 0.9, LANDMARKS)
    crops = np.zeros((n, 64, 64), np.uint8)
    seen = SeenFaces(np.arange(n), (face,) * n, crops)
    model, report = fit_trust(seen, probs, classes, errors if with_errors else None)
    kind = "with_error" if with_errors else "without_error"
    assert report[kind]["n"] == 1950
    assert report[kind]["calibration_error"] < 0.05
    assert (model.with_error is not None) == with_errors
    if with_errors:
        sure = model.trust(probs[0], face, crops[0], 0.003)
        assert sure > model.trust(probs[0], face, crops[0], 0.05)
