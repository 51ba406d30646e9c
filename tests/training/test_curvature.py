"""The curvature of a search is measured as it is, by one command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from streamfer.errors import ConfigError
from streamfer.evaluation.inverted import LatentModels, load_latent_models
from streamfer.models.inversion.curvature import curvature_of
from streamfer.models.inversion.descent import LossWeights
from streamfer.models.inversion.search import Place, evaluate
from streamfer.models.shipped import file_digest
from streamfer.models.stylegan2 import from_uint8, style_spread, to_uint8
from streamfer.training.curvature import (
    CurvatureFitting,
    main,
    measure_curvature,
    squared_parts,
)
from streamfer.types import UInt8Array
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_all_networks


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> LatentModels:
    weights = save_all_networks(tmp_path_factory.mktemp("networks"))
    networks = (weights.generator, weights.encoder, weights.classifier)
    return load_latent_models(*networks, torch.device("cpu"))


@pytest.fixture(scope="module")
def crops(models: LatentModels) -> UInt8Array:
    torch.manual_seed(0)
    faces = to_uint8(models.generator(torch.randn(2, 8))[:, 0]).numpy()
    return np.asarray(np.repeat(faces, 128, axis=0), np.uint8)


def test_the_squares_add_up_to_the_loss(models: LatentModels, crops: UInt8Array) -> None:
    weights = LossWeights(feature=0.7, pixel=30.0, pull=0.0)
    target = from_uint8(torch.from_numpy(crops[::128]))
    start = models.encoder(target).detach()
    features = models.lens(target)
    place = Place(start, torch.ones_like(start), style_spread(models.generator), target, features)
    losses = evaluate(models.generator, models.lens, weights, place)
    parts = squared_parts(losses.image, target, models.lens(losses.image), features, weights)
    torch.testing.assert_close(parts.square().sum(dim=1), losses.total, rtol=1e-4, atol=1e-7)


def test_the_steepest_axes_are_found(models: LatentModels, crops: UInt8Array) -> None:
    found = measure_curvature(models, crops, CurvatureFitting(axes=3))
    spread, weights = style_spread(models.generator), LossWeights()
    exact = np.zeros((80, 80))
    for crop in crops[::128]:
        target = from_uint8(torch.from_numpy(crop[None]))
        start, targets = models.encoder(target).detach(), models.lens(target)

        def parts(
            offset: torch.Tensor,
            start: torch.Tensor = start,
            target: torch.Tensor = target,
            targets: list[torch.Tensor] = targets,
        ) -> torch.Tensor:
            image = models.generator.synthesis(start + offset * spread)
            return squared_parts(image, target, models.lens(image), targets, weights)[0]

        jacobian = torch.autograd.functional.jacobian(parts, torch.zeros_like(start))
        slopes = jacobian.flatten(1).double().numpy()
        exact += slopes.T @ slopes  # twice, over two faces
    values, vectors = np.linalg.eigh(exact)
    assert abs(found.axes[0] @ vectors[:, -1]) > 0.9
    assert found.values[0] == pytest.approx(values[-1], rel=0.3)
    along = np.diag(found.axes.astype(float) @ exact @ found.axes.T.astype(float))
    assert along.sum() > 0.8 * values[-3:].sum()
    assert found.rest < 0.2 * found.values[-1]


def test_the_command_measures_the_networks_of_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = save_all_networks(tmp_path)
    write_parquet(tmp_path / "train-0.parquet", drawn_set(6, 0))
    given = [f"--data={tmp_path}", f"--weights={tmp_path}", "--faces=4", "--axes=5", "--device=cpu"]
    assert main([*given, f"--out={weights.curvature}"]) == 0
    assert "along the last of 5" in capsys.readouterr().err
    found = curvature_of(weights.generator, weights.classifier, weights.curvature)
    assert found is not None
    assert found.axes.shape == (5, 80)
    assert file_digest(weights.curvature) in weights.curvature.with_suffix(".md").read_text()
    assert main([*given, f"--out={weights.curvature / 'file'}"]) == 4
    assert "cannot make the folder" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["faces", "axes"])
def test_numbers_are_at_least_one(name: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name}: at least 1"):
        CurvatureFitting(**{name: 0})
