"""The refiner as a run opens it, with its real child process."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from streamfer.app.refinement import RefinementConfig, open_refiner, residual_config
from streamfer.errors import EngineError
from streamfer.models.inversion import style_spread
from streamfer.models.storage import load_generator
from streamfer.pipeline.mailbox import RefineRequest
from tests.support.latent import save_latent_networks


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> RefinementConfig:
    files = save_latent_networks(tmp_path_factory.mktemp("weights"))
    return RefinementConfig(steps=3, generator=files["generator"], classifier=files["classifier"])


def face(track: int) -> RefineRequest:
    crop = np.random.default_rng(track).integers(0, 256, (64, 64), dtype=np.uint8)
    return RefineRequest("talk", track, 0.5, crop, np.zeros((10, 8), np.float32), 0.5)


def test_faces_go_through_the_child_process(config: RefinementConfig) -> None:
    with open_refiner(config) as refiner:
        for track in (1, 2):
            refiner.request(face(track))
        assert refiner.wait_idle(60)
        results = {r.track_id: r for r in refiner.results()}
        assert refiner.given_up is None
    assert sorted(results) == [1, 2]
    for result in results.values():
        assert result.latent.shape == (10, 8)
        assert result.reconstruction.shape == (64, 64)
        assert 0 < result.reconstruction_error < 1
        assert result.steps == 3


def test_missing_weights_end_refinement_and_nothing_else(config: RefinementConfig) -> None:
    missing = dataclasses.replace(config, generator=Path("/nowhere/g.safetensors"))
    with open_refiner(missing) as refiner:
        for track in (1, 2, 3):
            refiner.request(face(track))
            assert refiner.wait_idle(60)
        assert refiner.given_up is not None
        assert "g.safetensors: cannot read" in refiner.given_up
        assert refiner.results() == []


def test_distances_are_in_units_of_the_generators_styles(config: RefinementConfig) -> None:
    residual = residual_config(config)
    assert residual.spread == pytest.approx(
        style_spread(load_generator(config.generator)).item(), rel=0.05
    )
    missing = dataclasses.replace(config, generator=Path("/nowhere/g.safetensors"))
    with pytest.raises(EngineError, match=r"g\.safetensors: cannot read the generator"):
        residual_config(missing)


@pytest.mark.parametrize("spread", ["0", "-1", "nan", "inf"])
def test_styles_that_do_not_spread_are_refused(tmp_path: Path, spread: str) -> None:
    path = tmp_path / "g.safetensors"
    save_file({"x": np.zeros(1, np.float32)}, path, metadata={"spread": spread})
    with pytest.raises(EngineError, match=r"g\.safetensors: its styles cannot have"):
        residual_config(RefinementConfig(generator=path))


@pytest.mark.parametrize(("every_s", "half_life_s"), [(0.5, 4.0), (4.0, 4.0), (30.0, 30.0)])
def test_what_was_found_lasts_until_the_next_can_be(
    config: RefinementConfig, every_s: float, half_life_s: float
) -> None:
    residual = residual_config(dataclasses.replace(config, every_s=every_s))
    assert residual.half_life_s == half_life_s
