"""Our generator against the published ones.

`fixtures/stylegan2_*.npz` hold what rosinality's `stylegan2-pytorch` and NVIDIA's
`stylegan2-ada-pytorch` answered in float64, at 16 px with styles of 24 numbers, with the weights
that `equalized_weights` makes: `w` for the first and `image` for the second draw of seed 0.
"""

from __future__ import annotations

import argparse
import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from streamfer.errors import EngineError
from streamfer.models.published_stylegan2 import (
    Layout,
    load_published_generator,
    nvidia_layout,
    rosinality_layout,
)
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from tests.support.network_pickle import write_network_pickle
from tests.support.published import (
    equalized_weights,
    largest_difference,
    published_keys,
    recorded,
)

LAYOUTS = {"rosinality": rosinality_layout, "nvidia": nvidia_layout}
FULL = {
    256: GeneratorConfig((512, 512, 512, 512, 512, 256, 128), 3, 512, 512, 8),
    1024: GeneratorConfig((512, 512, 512, 512, 512, 256, 128, 64, 32), 3, 512, 512, 8),
}
NVIDIA_256 = GeneratorConfig((512, 512, 512, 512, 256, 128, 64), 3, 512, 512, 8)


@functools.cache
def small_weights(layout: str) -> dict[str, Tensor]:
    return equalized_weights(published_keys(f"stylegan2_{layout}", "16"))


def saved(layout: str, folder: Path) -> Path:
    """A small file as published."""
    tensors = small_weights(layout)
    path = folder / "net"
    if layout == "nvidia":
        return write_network_pickle(path, tensors)
    torch.save({"g_ema": tensors, "latent_avg": torch.full((24,), 0.5)}, path)
    return path


@pytest.mark.parametrize(
    ("layout", "size", "config"),
    [
        ("rosinality", 256, FULL[256]),
        ("rosinality", 1024, FULL[1024]),
        ("nvidia", 256, NVIDIA_256),
        ("nvidia", 1024, FULL[1024]),
    ],
)
def test_keys_are_the_published_ones(layout: str, size: int, config: GeneratorConfig) -> None:
    assert config.resolution == size
    places: Layout = LAYOUTS[layout](config)
    ours = {name: list(place.shape) for name, place in places.items()}
    assert ours == published_keys(f"stylegan2_{layout}", str(size))
    with torch.device("meta"):
        own = Generator(config).state_dict()
    filled = {place.own for place in places.values()} - {None}
    assert filled == own.keys() - ({"mapping.w_avg"} if layout == "rosinality" else set())


def second_draw(generator: Generator) -> tuple[Tensor, Tensor]:
    random = np.random.default_rng(0)
    z = torch.from_numpy(random.standard_normal((1, 24)))
    shape = (1, generator.config.num_ws, 24)
    return z, torch.from_numpy(random.standard_normal(shape))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_answers_are_the_published_ones(layout: str, tmp_path: Path) -> None:
    generator = load_published_generator(saved(layout, tmp_path))
    answers = recorded(f"stylegan2_{layout}")
    z, ws = second_draw(generator)
    # NVIDIA's `w` was recorded at a truncation of 0.7, rosinality's without.
    w = generator.styles(z, 0.7 if layout == "nvidia" else 1.0)[:, 0]
    assert largest_difference(w, answers["w"]) < 1e-6
    assert largest_difference(generator.synthesis(ws), answers["image"]) < 1e-6


@pytest.mark.parametrize("form", ["entry", "bare", "safetensors"])
def test_nvidias_weights_are_taken_from_converted_files_too(form: str, tmp_path: Path) -> None:
    tensors = {name: value.float() for name, value in small_weights("nvidia").items()}
    path = tmp_path / "net"
    if form == "safetensors":
        save_file(tensors, path)
    else:
        torch.save({"G_ema": tensors} if form == "entry" else tensors, path)
    generator = load_published_generator(path)
    assert generator.config == GeneratorConfig((12, 12, 8), 3, 24, 24, 8)
    assert torch.equal(generator.mapping.w_avg, tensors["mapping.w_avg"])
    assert generator.synthesis.const.dtype == torch.float32


def test_the_average_style_is_the_files_or_found_again(tmp_path: Path) -> None:
    given = load_published_generator(saved("rosinality", tmp_path))
    assert torch.equal(given.mapping.w_avg, torch.full((24,), 0.5, dtype=torch.float64))
    options = argparse.Namespace(size=16)  # training writes them beside the weights
    torch.save({"g_ema": small_weights("rosinality"), "args": options}, tmp_path / "trained")
    found = load_published_generator(tmp_path / "trained").mapping
    w = found(torch.randn(4000, 24, generator=torch.Generator().manual_seed(1)).double())
    assert (found.w_avg - w.mean(dim=0)).abs().max() < 0.1 * w.std()


def change(tensors: dict[str, Tensor], name: str, value: Tensor | None) -> dict[str, Tensor]:
    rest = {key: tensor for key, tensor in tensors.items() if key != name}
    return rest if value is None else {**rest, name: value}


@pytest.mark.parametrize(
    ("layout", "name", "value", "says"),
    [
        ("rosinality", "conv1.noise.weight", None, r"1 missing \(conv1\.noise\.weight\)"),
        ("rosinality", "style.9.bias", torch.ones(24), r"1 extra \(style\.9\.bias\)"),
        ("rosinality", "style.1.weight", None, r"key style\.1\.weight is missing"),
        (
            "rosinality",
            "conv1.conv.weight",
            torch.ones(512, 512, 3, 3),
            r"key conv1\.conv\.weight has the shape \(512, 512, 3, 3\)",
        ),
        (
            "rosinality",
            "to_rgb1.bias",
            torch.ones(3),
            r"1 of another shape \(to_rgb1\.bias \(3,\) for \(1, 3, 1, 1\)\)",
        ),
        (
            "rosinality",
            "to_rgbs.0.upsample.kernel",
            torch.ones(4, 4),
            r"to_rgbs\.0\.upsample\.kernel is not the filter",
        ),
        ("nvidia", "mapping.embed.weight", torch.ones(2, 2), r"1 extra \(mapping\.embed\.weight\)"),
        ("nvidia", "synthesis.b8.torgb.bias", None, r"1 missing \(synthesis\.b8\.torgb\.bias\)"),
        (
            "nvidia",
            "synthesis.b4.conv1.weight",
            None,
            r"key synthesis\.b4\.conv1\.weight is missing",
        ),
    ],
)
def test_every_key_must_fit(
    layout: str, name: str, value: Tensor | None, says: str, tmp_path: Path
) -> None:
    entry = {"rosinality": "g_ema", "nvidia": "G_ema"}[layout]
    torch.save({entry: change(small_weights(layout), name, value)}, tmp_path / "net")
    with pytest.raises(EngineError, match=says):
        load_published_generator(tmp_path / "net")


def test_no_file_makes_generators_beyond_the_published_sizes(tmp_path: Path) -> None:
    tensors = dict(small_weights("rosinality"))
    tensors |= {f"to_rgbs.{i}.bias": torch.ones(1, 3, 1, 1) for i in range(40)}
    tensors |= {f"convs.{i}.conv.weight": torch.ones(1, 1, 1, 1, 1) for i in range(80)}
    torch.save({"g_ema": tensors}, tmp_path / "net")
    with pytest.raises(EngineError, match="not the weights of this network"):
        load_published_generator(tmp_path / "net")
    one = torch.ones(1, 1, 3, 3)
    many = {f"synthesis.b{4 << i}.conv1.weight": one for i in range(40)}
    torch.save({"G_ema": {**small_weights("nvidia"), **many}}, tmp_path / "net")
    with pytest.raises(EngineError, match="not the weights of this network"):
        load_published_generator(tmp_path / "net")


def test_another_average_or_network_is_refused(tmp_path: Path) -> None:
    content = {"g_ema": small_weights("rosinality"), "latent_avg": torch.ones(3)}
    torch.save(content, tmp_path / "average")
    with pytest.raises(EngineError, match="latent_avg is not one style of 24 numbers"):
        load_published_generator(tmp_path / "average")
    torch.save({"weight": torch.ones(1)}, tmp_path / "other")
    with pytest.raises(EngineError, match="no StyleGAN2 in rosinality's or NVIDIA's layout"):
        load_published_generator(tmp_path / "other")
