from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from streamfer.evaluation.frechet import frechet_distance


def test_it_is_the_closed_form_of_normal_distributions() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 1
    b = rng.normal(size=(400, 6)) @ rng.normal(size=(6, 6)) - 1
    mean = a.mean(axis=0) - b.mean(axis=0)
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.real(sqrtm(covariances[0] @ covariances[1]))
    expected = mean @ mean + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_equal_sets_are_at_zero_and_shifted_ones_at_the_squared_shift() -> None:
    features = np.random.default_rng(1).normal(size=(200, 5)).astype(np.float32)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + 2) == pytest.approx(5 * 4, rel=1e-4)


def test_features_that_never_vary_do_no_harm() -> None:
    features = np.random.default_rng(2).normal(size=(50, 4))
    features[:, 2] = 0
    assert np.isfinite(frechet_distance(features, features * 0.5))
