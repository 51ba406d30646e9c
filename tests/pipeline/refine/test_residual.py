from __future__ import annotations

import numpy as np
import pytest

from streamfer.pipeline.refine.refiner import RefinedFace
from streamfer.pipeline.refine.residual import CarriedResiduals, ResidualConfig
from streamfer.types import FloatArray

CONFIG = ResidualConfig(
    spread=2.0, half_life_s=4.0, half_distance=0.5, noise=1e-9, doubt_distance=1.0, kept=3
)


def code(distance: float) -> FloatArray:
    return np.full((2, 3), distance, np.float32)


def refined(time_s: float = 10.0, encoded: float = 0.0, residual: float = 1.0) -> RefinedFace:
    return RefinedFace(
        stream="a",
        track_id=1,
        time_s=time_s,
        encoded=code(encoded),
        latent=code(encoded + residual),
        reconstruction=np.zeros((4, 4), np.uint8),
        reconstruction_error=0.01,
        steps=5,
        seconds=1.0,
    )


def carried(*searches: RefinedFace, config: ResidualConfig = CONFIG) -> CarriedResiduals:
    residuals = CarriedResiduals(config)
    for one in searches or (refined(),):
        residuals.add(one)
    return residuals


def suggested(residuals: CarriedResiduals, distance: float, time_s: float) -> float:
    found = residuals.apply(code(distance), time_s)
    assert found is not None
    return float(found[1].mean())


@pytest.mark.parametrize(
    ("distance", "time_s", "weight"),
    [
        (0.0, 10.0, 1.0),
        (0.0, 14.0, 0.5),
        (0.0, 18.0, 0.25),
        (1.0, 10.0, 0.5),
        (-1.0, 14.0, 0.25),
        (0.0, 9.0, 1.0),
    ],
)
def test_weight_falls_with_age_and_distance(distance: float, time_s: float, weight: float) -> None:
    residuals = carried()
    assert residuals.weights(code(distance), time_s) == pytest.approx([weight])
    assert suggested(residuals, distance, time_s) == pytest.approx(distance + weight)


def test_what_is_too_old_says_nothing_and_is_forgotten() -> None:
    residuals = carried(refined(10.0), refined(38.0))
    assert residuals.weights(code(0.0), 40.0).tolist()[0] == 0.0
    residuals.drop_spent(40.0)
    assert len(residuals) == 1
    residuals.drop_spent(80.0)
    assert len(residuals) == 0
    assert residuals.apply(code(0.0), 80.0) is None


def test_an_identity_in_doubt_drops_it_for_good() -> None:
    residuals = carried(refined(), refined(encoded=0.5))
    assert (residuals.weights(code(0.0), 10.0) > 0).all()
    assert residuals.apply(code(2.1), 10.1) is not None
    assert len(residuals) == 1
    assert residuals.apply(code(3.0), 10.2) is None
    assert residuals.apply(code(0.0), 10.3) is None


def test_a_moment_that_was_searched_keeps_its_own_residual() -> None:
    residuals = carried(refined(10.0, 0.0, 1.0), refined(11.0, 0.6, 3.0))
    assert suggested(residuals, 0.6, 11.0) == pytest.approx(0.6 + 3.0, rel=1e-5)
    found = residuals.apply(code(0.6), 11.0)
    assert found is not None
    assert found[0].time_s == 11.0


def test_between_two_moments_lies_what_lies_between_their_residuals() -> None:
    residuals = carried(refined(10.0, 0.0, 1.0), refined(10.0, 0.8, 3.0))
    halfway = [suggested(residuals, distance, 10.0) - distance for distance in (0.2, 0.6)]
    assert 1.0 < halfway[0] < halfway[1] < 3.2


def test_the_chance_of_single_searches_is_averaged() -> None:
    rng = np.random.default_rng(1)
    chance = rng.normal(size=8)
    searches = [refined(10.0, 0.0, 1.0 + float(one)) for one in chance]
    noisy = ResidualConfig(noise=0.5, kept=8)
    level = suggested(carried(*searches, config=noisy), 0.0, 10.0)
    assert level == pytest.approx((1.0 + chance.mean()) * 8 / 8.5, rel=1e-5)


def test_so_many_are_kept() -> None:
    assert len(carried(*(refined(float(second)) for second in range(5)))) == 3
