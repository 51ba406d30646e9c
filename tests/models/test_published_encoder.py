from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from streamfer.errors import EngineError
from streamfer.models.published_encoder import load_inversion_networks
from streamfer.models.style_encoder import Encoder4Editing
from streamfer.models.stylegan2 import GeneratorConfig
from tests.support.published import small_encoder_config, small_inversion_tensors

FIRST = "encoder.input_layer.0.weight"
OPTIONS = {"encoder_type": "Encoder4Editing", "start_from_latent_avg": True, "stylegan_size": 16}


@functools.cache
def tensors() -> Mapping[str, Tensor]:
    return small_inversion_tensors()


def content(**changes: Any) -> dict[str, Any]:
    average = torch.linspace(-1, 1, 128).repeat(6, 1)
    whole = {"state_dict": dict(tensors()), "latent_avg": average, "opts": OPTIONS, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def saved(folder: Path, **changes: Any) -> Path:
    torch.save(content(**changes), folder / "e4e.pt")
    return folder / "e4e.pt"


def test_encoder_generator_and_average_are_read(tmp_path: Path) -> None:
    networks = load_inversion_networks(saved(tmp_path), "e4e")
    assert isinstance(networks.encoder.encoder, Encoder4Editing)
    assert networks.encoder.encoder.config == small_encoder_config()
    assert networks.generator.config == GeneratorConfig((8,) * 3, 3, 128, 128, 8)
    faces = torch.randn(2, 3, 64, 64)
    ws = networks.encoder(faces)
    torch.testing.assert_close(ws, networks.encoder.encoder(faces) + torch.linspace(-1, 1, 128))
    assert networks.generator.synthesis(ws).shape == (2, 3, 16, 16)
    assert torch.equal(networks.generator.mapping.w_avg, torch.linspace(-1, 1, 128))
    frozen = [*networks.encoder.parameters(), *networks.generator.parameters()]
    assert not any(parameter.requires_grad for parameter in frozen)


def test_tensors_alone_are_enough(tmp_path: Path) -> None:
    path = tmp_path / "e4e.safetensors"
    save_file({**tensors(), "latent_avg": torch.ones(128)}, path)
    networks = load_inversion_networks(path, "psp")
    assert torch.equal(networks.encoder.latent_avg, torch.ones(6, 128))


def test_an_encoder_that_starts_from_nothing_has_no_average(tmp_path: Path) -> None:
    options = {**OPTIONS, "start_from_latent_avg": False}
    networks = load_inversion_networks(saved(tmp_path, opts=options, latent_avg=None), "e4e")
    assert not networks.encoder.latent_avg.any()


def without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in tensors().items() if key != name}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"latent_avg": None}, r"keys 1 missing \(latent_avg\)"),
        (
            {"latent_avg": torch.ones(5, 128)},
            r"keys 1 of another shape \(latent_avg \(5, 128\) for \(6, 128\)\)",
        ),
        ({"latent_avg": torch.ones(0, 128)}, "latent_avg is not one style of 128 numbers"),
        (
            {"state_dict": {**small_inversion_tensors(), FIRST: torch.ones(8, 3, 3, 3)}},
            r"input_layer\.0\.weight has the shape \(8, 3, 3, 3\)",
        ),
        (
            {"opts": {"encoder_type": "GradualStyleEncoder"}},
            "its encoder is GradualStyleEncoder; e4e needs Encoder4Editing",
        ),
        (
            {"state_dict": without("encoder.body.3.res_layer.5.fc1.weight")},
            r"keys 1 missing \(encoder\.body\.3\.res_layer\.5\.fc1\.weight\)",
        ),
        (
            {"state_dict": without("encoder.input_layer.0.weight")},
            r"encoder\.input_layer\.0\.weight is missing",
        ),
        (
            {"state_dict": without("decoder.conv1.activate.bias")},
            r"keys 1 missing \(decoder\.conv1\.activate\.bias\)",
        ),
        (
            {"state_dict": {**small_inversion_tensors(), "face_pool.weight": torch.ones(1)}},
            r"keys 1 extra \(face_pool\.weight\)",
        ),
        (
            {"state_dict": small_inversion_tensors(num_ws=7)},
            r"its encoder finds \(7, 128\) styles, its decoder takes \(6, 128\)",
        ),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=says):
        load_inversion_networks(saved(tmp_path, **changes), "e4e")
