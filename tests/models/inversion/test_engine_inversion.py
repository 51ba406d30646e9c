"""The search through engines: keeps the best, stops when told, and finds what torch finds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.engine import Array
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.engine_inversion import EngineRefiner, EngineSearch
from streamfer.models.inversion.engines import open_refine_engines
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_generator
from streamfer.models.stylegan2 import to_uint8
from streamfer.models.vgg import load_face_vgg
from streamfer.runtime.store.store import EngineStore
from tests.support.engines import FakeEngine
from tests.support.latent import lay_structures, save_latent_networks


class Valley:
    """A step whose loss is the squared distance of the code from 3, drawn as one gray picture."""

    def __init__(self) -> None:
        self.target = FakeEngine(lambda inputs: {"target": inputs["faces"][:, None]})
        self.step = FakeEngine(self._step)

    def _step(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        codes = inputs["start"] + inputs["offset"]
        total = np.square(codes - 3).mean(axis=(1, 2))
        level = np.clip(codes.mean() / 3, -1, 1)
        return {
            "total": total,
            "mse": total / 4,
            "gradient": 2 * (codes - 3) / codes.size,
            "image": np.full((1, 1, 4, 4), level, np.float32),
            "codes": codes,
        }


def refiner(valley: Valley, config: InversionConfig, step_s: float = 0.0) -> EngineRefiner:
    now = iter(np.arange(100_000) * step_s)
    search = EngineSearch(valley.target, valley.step, config, lambda: float(next(now)))
    return EngineRefiner(search)


def faces(count: int) -> tuple[Array, Array]:
    crops = np.zeros((count, 4, 4), np.uint8)
    return crops, np.zeros((count, 2, 3), np.float32)


def test_every_face_gets_its_own_code_picture_and_error() -> None:
    crops, codes = faces(2)
    codes[1] = 3
    found = refiner(Valley(), InversionConfig(steps=30, patience=30)).refine(crops, codes)
    np.testing.assert_allclose(found.latents, 3, atol=0.5)
    np.testing.assert_array_equal(found.latents[1], 3)  # nothing is better than its start
    assert found.reconstructions.shape == (2, 4, 4)
    assert (found.reconstructions[1] == 255).all()
    assert found.errors[1] == 0
    assert found.errors[0] < 0.1


def test_the_best_code_is_kept_not_the_last() -> None:
    valley = Valley()
    config = InversionConfig(steps=8, learning_rate=6.0, patience=8)
    found = refiner(valley, config).refine(*faces(1))
    tried = [float(np.square(call["offset"] - 3).mean()) for call in valley.step.calls]
    assert tried[-1] > min(tried)
    assert float(np.square(found.latents - 3).mean()) == pytest.approx(min(tried), rel=1e-5)


@pytest.mark.parametrize("steps", [0, 1, 7])
def test_it_takes_no_more_steps_than_it_may(steps: int) -> None:
    valley = Valley()
    found = refiner(valley, InversionConfig(steps=steps)).refine(*faces(1))
    assert found.steps == steps
    assert len(valley.step.calls) == steps + 1
    if steps == 0:
        np.testing.assert_array_equal(found.latents, 0)


def test_the_budget_ends_it() -> None:
    config = InversionConfig(steps=100, budget_ms=100, patience=100)
    found = refiner(Valley(), config, step_s=0.010).refine(*faces(1))
    assert 5 <= found.steps <= 10
    assert found.seconds >= 0.1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, small_structures: Path) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    lay_structures(small_structures, folder)
    return folder


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime"])
def test_it_finds_what_torch_finds(backend: str, folder: Path) -> None:
    files = save_latent_networks(folder)
    generator, lens = load_generator(files["generator"]), Lens(load_face_vgg(files["classifier"]))
    torch.manual_seed(0)
    ws = generator.styles(torch.randn(2, 8))
    crops = to_uint8(generator.synthesis(ws)[:, 0])
    start = ws + 0.3 * ws.std() * torch.randn(ws.shape)
    config = InversionConfig(steps=12, learning_rate=0.1)
    engines = open_refine_engines(
        files["generator"], files["classifier"], backend, EngineStore(folder / "engines")
    )
    search = EngineSearch(engines.target, engines.step, config)
    found = EngineRefiner(search).refine(crops.numpy(), start.numpy())
    engines.close()
    expected = Inverter(generator, lens, config, lambda: 0.0).invert(crops, start)
    np.testing.assert_allclose(found.errors, expected.mse, rtol=0.05)
    difference = found.reconstructions.astype(int) - expected.reconstruction.numpy().astype(int)
    assert np.abs(difference).mean() < 2
