from __future__ import annotations

import numpy as np
import pytest

from streamfer.pipeline.refine.refiner import RefinedFace
from streamfer.pipeline.refine.residual import CarriedResidual, ResidualConfig
from streamfer.types import FloatArray

CONFIG = ResidualConfig(spread=2.0, half_life_s=4.0, half_distance=0.5, doubt_distance=1.0)


def carried() -> CarriedResidual:
    encoded = np.zeros((2, 3), np.float32)
    refined = RefinedFace(
        stream="a",
        track_id=1,
        time_s=10.0,
        encoded=encoded,
        latent=encoded + 1,
        reconstruction=np.zeros((4, 4), np.uint8),
        reconstruction_error=0.01,
        steps=5,
        seconds=1.0,
    )
    return CarriedResidual(refined, CONFIG)


def code(distance: float) -> FloatArray:
    return np.full((2, 3), distance, np.float32)


@pytest.mark.parametrize(
    ("distance", "time_s", "weight"),
    [
        (0.0, 10.0, 1.0),
        (0.0, 14.0, 0.5),
        (0.0, 18.0, 0.25),
        (1.0, 10.0, 0.5),
        (-1.0, 14.0, 0.25),
        (0.0, 9.0, 1.0),
        (0.0, 40.0, 0.0),
    ],
)
def test_weight_falls_with_age_and_distance(distance: float, time_s: float, weight: float) -> None:
    latent, actual = carried().apply(code(distance), time_s)
    assert actual == pytest.approx(weight)
    np.testing.assert_allclose(latent, distance + weight)


def test_an_identity_in_doubt_drops_it_for_good() -> None:
    residual = carried()
    assert residual.weight(code(0.0), 10.0) == 1.0
    assert residual.weight(code(2.1), 10.1) == 0.0
    assert residual.weight(code(0.0), 10.2) == 0.0
    assert residual.is_spent(10.2)


@pytest.mark.parametrize(("time_s", "spent"), [(9.0, False), (14.0, False), (40.0, True)])
def test_it_is_spent_when_age_alone_makes_it_nothing(time_s: float, spent: bool) -> None:
    assert carried().is_spent(time_s) is spent
