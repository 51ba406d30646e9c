from __future__ import annotations

import numpy as np
import pytest

from streamfer.app.report.measure.synchrony import Series, SynchronyConfig, synchrony


def wandering(seed: int, seconds: float = 60.0) -> Series:
    """A made-up face: a slow random movement."""
    steps = np.random.default_rng(seed).normal(size=round(seconds * 10) + 50)
    return np.convolve(steps, np.hanning(15), mode="same")[25:-25]


@pytest.mark.parametrize("lag_s", [-1.5, -0.4, 0.0, 0.7, 1.8])
def test_a_known_lag_is_found(lag_s: float) -> None:
    lag = round(lag_s * 10)
    long = wandering(1, 70.0)
    noise = np.random.default_rng(2).normal(size=600) * 0.5
    first, second = long[50:650], long[50 - lag : 650 - lag] + noise
    found = synchrony(first, second)
    assert found is not None
    assert found.lag_s == pytest.approx(lag_s, abs=0.1)
    assert found.p <= 0.01
    assert found.correlation > 0.7


def test_unrelated_pairs_are_called_related_as_often_as_p_says() -> None:
    config = SynchronyConfig(surrogates=39)
    called = 0
    for seed in range(100):
        found = synchrony(wandering(2 * seed, 180.0), wandering(2 * seed + 1, 180.0), config)
        assert found is not None
        called += found.p <= 0.05
    assert called <= 11  # 5 are due; 12 would come about once in 250


def test_what_is_too_short_or_never_changes_has_no_answer() -> None:
    assert synchrony(wandering(1, 12.0), wandering(2, 12.0)) is None
    assert synchrony(np.zeros(600), wandering(2)) is None
