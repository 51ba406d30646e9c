"""The graphs of refinement against the same losses and gradients through autograd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.engine import Array, Engine
from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.graphs import export_step, export_target, feature_names
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import Place, evaluate
from streamfer.models.stylegan2 import Generator, GeneratorConfig, from_uint8, style_spread
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.runtime.model import OnnxModel
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore

WEIGHTS = LossWeights(feature=1.0, pixel=3.0, pull=0.5)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """Its layers have as many inputs as outputs, where a transposed weight can go unnoticed, or
    twice as many."""
    torch.manual_seed(0)
    config = GeneratorConfig(channels=(16, 16, 8, 8), z_dim=16, w_dim=16, mapping_layers=1)
    return Generator(config).freeze()


@pytest.fixture(scope="module", params=[24, 32], ids=["resized", "same size"])
def lens(request: pytest.FixtureRequest) -> Lens:
    torch.manual_seed(1)
    network = FaceVGG(FaceVGGConfig(width=0.05, input_size=request.param))
    network(torch.randint(0, 256, (8, 32, 32), dtype=torch.uint8))  # moves the statistics
    return Lens(network)


@pytest.fixture(scope="module")
def step(generator: Generator, lens: Lens) -> bytes:
    """The graph of a step."""
    return export_step(generator, lens, WEIGHTS)


@pytest.fixture(scope="module", params=["openvino", "onnxruntime"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(data: bytes, backend: str, folder: Path) -> Engine:
    store = EngineStore(folder)
    return open_engine(
        OnnxModel.from_bytes("graph", data), backend=backend, precision="fp32", store=store
    )


def a_face() -> Array:
    return np.random.default_rng(2).integers(0, 256, (1, 32, 32), dtype=np.uint8)


def test_the_target_is_the_face_and_what_the_lens_sees_of_it(
    lens: Lens, backend: str, tmp_path: Path
) -> None:
    engine = opened(export_target(lens, 32), backend, tmp_path)
    found = engine.run({"faces": a_face()})
    target = from_uint8(torch.from_numpy(a_face()))
    np.testing.assert_allclose(found["target"], target, atol=1e-6)
    with torch.no_grad():
        expected = lens(target)
    for name, feature in zip(feature_names(lens), expected, strict=True):
        np.testing.assert_allclose(found[name], feature, atol=1e-3)


def test_a_step_has_the_losses_and_the_gradient_of_autograd(
    step: bytes, generator: Generator, lens: Lens, backend: str, tmp_path: Path
) -> None:
    engine = opened(step, backend, tmp_path)
    torch.manual_seed(3)
    start, offset = torch.randn(1, 8, 16), torch.randn(1, 8, 16)
    target = from_uint8(torch.from_numpy(a_face()))
    with torch.no_grad():
        features = lens(target)
    offset.requires_grad_(True)
    place = Place(start, offset, style_spread(generator), target, features)
    losses = evaluate(generator, lens, WEIGHTS, place)
    (gradient,) = torch.autograd.grad(losses.total.sum(), offset)
    inputs = {"offset": offset, "start": start, "target": target}
    inputs |= dict(zip(feature_names(lens), features, strict=True))
    found = engine.run({name: value.detach().numpy() for name, value in inputs.items()})
    expected = {
        "total": losses.total,
        "mse": losses.mse,
        "gradient": gradient,
        "image": losses.image,
        "codes": losses.codes,
    }
    for name, tensor in expected.items():
        value = tensor.detach().numpy()
        np.testing.assert_allclose(
            found[name], value, atol=1e-3 * float(np.abs(value).max()), err_msg=name
        )
