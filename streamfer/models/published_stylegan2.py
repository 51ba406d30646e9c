"""StyleGAN2 as others publish it, loaded key by key into our generator.

Two layouts: rosinality's `stylegan2-pytorch` (an entry `g_ema`; also the `decoder.*` of pSp and
e4e) and NVIDIA's `stylegan2-ada-pytorch` (a pickle of networks, or the state dictionary of one).
Both hold the parameters that our generator has, under other names and with other unit axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from streamfer.errors import EngineError
from streamfer.models.checkpoints import check_keys, named_tensors, read_checkpoint
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.stylegan2_layers import resampling_filter, widen

_AVERAGED = 10_000
"""Styles whose mean is the average style where a file has none, as in pSp and e4e."""
_SIDES = tuple(4 << index for index in range(9))
"""Of the pictures that published generators draw, step by step, in pixels: 4 to 1024."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a published tensor is to us."""

    own: str | None
    """Our name of it; None for the resampling filter, which must be the known one."""
    shape: tuple[int, ...]
    """Its shape in the file."""
    gain: float = 1.0
    """Of the resampling filter."""


Layout = dict[str, Place]
"""Published name → place."""


def load_published_generator(path: Path) -> Generator:
    """Reads a published generator, frozen, in float32 (float64 where the file is).

    Args:
        path: a file in rosinality's or NVIDIA's layout, told apart by its keys.

    Raises:
        EngineError: the file is missing, damaged, or not such a generator; names the keys.
    """
    content = read_checkpoint(path)
    if "g_ema" in content:
        average = content.get("latent_avg")
        return rosinality_generator(named_tensors(content["g_ema"], path), path, average)
    if "G_ema" in content:
        return nvidia_generator(named_tensors(content["G_ema"], path), path)
    inner = content.get("state_dict", content)
    tensors = named_tensors(inner, path)
    if "synthesis.b4.const" in tensors:
        return nvidia_generator(tensors, path)
    if "input.input" in tensors:
        return rosinality_generator(tensors, path, tensors.pop("latent_avg", None))
    raise EngineError(f"{path}: no StyleGAN2 in rosinality's or NVIDIA's layout")


def rosinality_generator(
    tensors: Mapping[str, Tensor], path: Path, average: Any = None, prefix: str = ""
) -> Generator:
    """A generator from tensors in rosinality's layout.

    Args:
        tensors: all of the file's entry.
        path: the file, for messages.
        average: (w_dim,) or (1, w_dim) average style, which this layout keeps elsewhere; without
            one it is found again from random styles.
        prefix: of the names in the file, for messages.

    Raises:
        EngineError: a key is missing, left over, or of another shape; names the first ones.
    """
    config = _rosinality_config(tensors, path)
    generator = _filled(config, rosinality_layout(config), tensors, path, prefix)
    w_avg = generator.mapping.w_avg
    if average is None:
        random = torch.Generator().manual_seed(0)
        z = torch.randn(_AVERAGED, config.z_dim, generator=random).to(w_avg)
        average = generator.mapping(z).mean(dim=0)
    if not isinstance(average, Tensor) or average.numel() != config.w_dim:
        raise EngineError(f"{path}: latent_avg is not one style of {config.w_dim} numbers")
    w_avg.copy_(average.reshape(-1))
    return generator


def nvidia_generator(tensors: Mapping[str, Tensor], path: Path) -> Generator:
    """A generator from tensors in NVIDIA's layout.

    Args:
        tensors: all of the network's parameters and buffers.
        path: the file, for messages.

    Raises:
        EngineError: a key is missing, left over, or of another shape; names the first ones.
    """
    config = _nvidia_config(tensors, path)
    return _filled(config, nvidia_layout(config), tensors, path)


def rosinality_layout(config: GeneratorConfig) -> Layout:
    """Names and shapes of a generator in rosinality's files."""
    own = _own_shapes(config)
    layout: Layout = {"input.input": Place("synthesis.const", (1, *own["synthesis.const"]))}

    def put(name: str, ours: str, before: int = 0, after: int = 0) -> None:
        layout[name] = Place(ours, (*[1] * before, *own[ours], *[1] * after))

    def put_conv(name: str, ours: str, noise: int) -> None:
        _put_modulated(f"{name}.conv", f"{ours}.conv")
        put(f"{name}.noise.weight", f"{ours}.noise_strength", before=1)
        put(f"{name}.activate.bias", f"{ours}.bias")
        put(f"noises.noise_{noise}", f"{ours}.noise_const", before=2)

    def _put_modulated(name: str, ours: str) -> None:
        put(f"{name}.weight", f"{ours}.weight", before=1)
        for kind in ("weight", "bias"):
            put(f"{name}.modulation.{kind}", f"{ours}.affine.{kind}")

    for layer in range(config.mapping_layers):
        for kind in ("weight", "bias"):
            put(f"style.{layer + 1}.{kind}", f"mapping.layers.{layer}.{kind}")
    for index in range(len(config.channels)):
        block = f"synthesis.blocks.{index}"
        to_rgb = f"to_rgbs.{index - 1}" if index else "to_rgb1"
        if index:
            first = f"convs.{2 * index - 2}"
            put_conv(first, f"{block}.up", noise=2 * index - 1)
            layout[f"{first}.conv.blur.kernel"] = Place(None, (4, 4), gain=4)
            layout[f"{to_rgb}.upsample.kernel"] = Place(None, (4, 4), gain=4)
        second = f"convs.{2 * index - 1}" if index else "conv1"
        put_conv(second, f"{block}.conv", noise=2 * index)
        _put_modulated(f"{to_rgb}.conv", f"{block}.to_image.conv")
        put(f"{to_rgb}.bias", f"{block}.to_image.bias", before=1, after=2)
    return layout


def nvidia_layout(config: GeneratorConfig) -> Layout:
    """Names and shapes of a generator in NVIDIA's files."""
    own = _own_shapes(config)
    names = {"mapping.w_avg": "mapping.w_avg", "synthesis.b4.const": "synthesis.const"}
    filters: list[str] = []
    for layer in range(config.mapping_layers):
        for kind in ("weight", "bias"):
            names[f"mapping.fc{layer}.{kind}"] = f"mapping.layers.{layer}.{kind}"
    for index in range(len(config.channels)):
        name, block = f"synthesis.b{4 << index}", f"synthesis.blocks.{index}"
        convs = {"conv0": "up", "conv1": "conv"} if index else {"conv1": "conv"}
        filters += [f"{name}.resample_filter", *(f"{name}.{c}.resample_filter" for c in convs)]
        for theirs, ours in {**convs, "torgb": "to_image"}.items():
            for kind in ("weight", "affine.weight", "affine.bias"):
                names[f"{name}.{theirs}.{kind}"] = f"{block}.{ours}.conv.{kind}"
            names[f"{name}.{theirs}.bias"] = f"{block}.{ours}.bias"
        for theirs, ours in convs.items():
            for kind in ("noise_strength", "noise_const"):
                names[f"{name}.{theirs}.{kind}"] = f"{block}.{ours}.{kind}"
    layout = {name: Place(ours, own[ours]) for name, ours in names.items()}
    return layout | {name: Place(None, (4, 4)) for name in filters}


def _filled(
    config: GeneratorConfig,
    layout: Layout,
    tensors: Mapping[str, Tensor],
    path: Path,
    prefix: str = "",
) -> Generator:
    check_keys({name: place.shape for name, place in layout.items()}, tensors, path, prefix)
    for name, place in layout.items():
        known = resampling_filter(place.gain)
        if place.own is None and not torch.allclose(tensors[name].to(known), known):
            raise EngineError(f"{path}: {prefix}{name} is not the filter [1, 3, 3, 1] of StyleGAN2")
    generator = Generator(config)
    own = generator.state_dict()
    for name, place in layout.items():
        if place.own is not None:
            own[place.own] = tensors[name].reshape(own[place.own].shape)
    generator.to(widen(own["synthesis.const"]).dtype).load_state_dict(own)
    return generator.freeze()


def _own_shapes(config: GeneratorConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        own = Generator(config).state_dict()
    return {name: tuple(value.shape) for name, value in own.items()}


def _rosinality_config(tensors: Mapping[str, Tensor], path: Path) -> GeneratorConfig:
    blocks = 1 + min(_count(tensors, "to_rgbs.{}.bias"), len(_SIDES) - 1)
    convs = ["conv1", *(f"convs.{2 * index - 1}" for index in range(1, blocks))]
    w_dim, z_dim = _shape(tensors, "style.1.weight", 2, path)
    return GeneratorConfig(
        channels=tuple(_shape(tensors, f"{conv}.conv.weight", 5, path)[1] for conv in convs),
        img_channels=_shape(tensors, "to_rgb1.conv.weight", 5, path)[1],
        z_dim=z_dim,
        w_dim=w_dim,
        mapping_layers=_count(tensors, "style.{}.weight", first=1),
    )


def _nvidia_config(tensors: Mapping[str, Tensor], path: Path) -> GeneratorConfig:
    sides = itertools.takewhile(
        lambda side: side == 4 or f"synthesis.b{side}.conv1.weight" in tensors, _SIDES
    )
    convs = [f"synthesis.b{side}.conv1.weight" for side in sides]
    w_dim, z_dim = _shape(tensors, "mapping.fc0.weight", 2, path)
    return GeneratorConfig(
        channels=tuple(_shape(tensors, conv, 4, path)[0] for conv in convs),
        img_channels=_shape(tensors, "synthesis.b4.torgb.weight", 4, path)[0],
        z_dim=z_dim,
        w_dim=w_dim,
        mapping_layers=_count(tensors, "mapping.fc{}.weight"),
    )


def _count(tensors: Mapping[str, Tensor], pattern: str, first: int = 0) -> int:
    """How many keys there are in a row, from `first`."""
    number = first
    while pattern.format(number) in tensors:
        number += 1
    return number - first


def _shape(tensors: Mapping[str, Tensor], name: str, dims: int, path: Path) -> tuple[int, ...]:
    """The shape of a tensor from which the network's is read.

    Raises:
        EngineError: it is missing or has another number of axes.
    """
    shape = tuple(tensors[name].shape) if name in tensors else None
    if shape is None or len(shape) != dims:
        found = "is missing" if shape is None else f"has the shape {shape}"
        raise EngineError(f"{path}: not a published StyleGAN2: key {name} {found}")
    return shape
