"""The files of pSp and e4e: an encoder, the generator that it was trained for, and the middle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from streamfer.errors import EngineError
from streamfer.models.checkpoints import load_strictly, named_tensors, read_checkpoint
from streamfer.models.published_stylegan2 import rosinality_generator
from streamfer.models.style_encoder import (
    SQUEEZE,
    Encoder4Editing,
    GradualStyleEncoder,
    StyleEncoderConfig,
)
from streamfer.models.stylegan2 import Generator
from streamfer.models.stylegan2_layers import widen

EncoderKind = Literal["e4e", "psp"]

_CLASSES: dict[EncoderKind, tuple[type[GradualStyleEncoder], str]] = {
    "e4e": (Encoder4Editing, "Encoder4Editing"),
    "psp": (GradualStyleEncoder, "GradualStyleEncoder"),
}
"""Our class, and what the file's options call theirs. Their keys are the same."""


class CentredEncoder(nn.Module):
    """An encoder together with the average that its answers are relative to.

    Args:
        encoder: the network.
        latent_avg: (num_ws, w_dim).
    """

    latent_avg: Tensor

    def __init__(self, encoder: GradualStyleEncoder, latent_avg: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("latent_avg", latent_avg)

    def forward(self, images: Tensor) -> Tensor:
        """(N, img_channels, 256, 256) of −1…1 → ws (N, num_ws, w_dim)."""
        return self.encoder(images) + self.latent_avg


@dataclass(frozen=True, slots=True, eq=False)
class InversionNetworks:
    """What a file of pSp or e4e holds; frozen."""

    encoder: CentredEncoder
    generator: Generator


def load_inversion_networks(path: Path, kind: EncoderKind) -> InversionNetworks:
    """Reads a published file of pSp or e4e.

    Args:
        path: torch's file with `state_dict`, `latent_avg` and `opts`, or the tensors alone, in
            which case nothing in it tells the two kinds apart.
        kind: which of the two it is.

    Raises:
        EngineError: the file is missing, damaged, of the other kind, or does not fit; names keys.
    """
    content = read_checkpoint(path)
    options = content.get("opts")
    options = options if isinstance(options, Mapping) else {}
    expected = _CLASSES[kind][1]
    found = options.get("encoder_type", expected)
    if found != expected:
        raise EngineError(f"{path}: its encoder is {found}; {kind} needs {expected}")
    nested = isinstance(content.get("state_dict"), Mapping)
    tensors = named_tensors(content["state_dict"] if nested else content, path)
    parts = _split(tensors, path)
    average = _one_style(content.get("latent_avg"))
    generator = rosinality_generator(parts["decoder"], path, average, prefix="decoder.")
    encoder = _encoder(parts["encoder"], kind, path)
    shape = (encoder.config.num_ws, encoder.config.w_dim)
    if shape != (generator.config.num_ws, generator.config.w_dim):
        drawn = (generator.config.num_ws, generator.config.w_dim)
        raise EngineError(f"{path}: its encoder finds {shape} styles, its decoder takes {drawn}")
    centre = torch.zeros(shape)
    if options.get("start_from_latent_avg", True):
        centre = _centre(content.get("latent_avg"), shape, path)
    centred = CentredEncoder(encoder, centre.to(generator.mapping.w_avg.dtype))
    return InversionNetworks(centred.eval().requires_grad_(False), generator)


def _split(tensors: Mapping[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """The tensors of `encoder.*` and `decoder.*`, without that prefix."""
    parts: dict[str, dict[str, Tensor]] = {"encoder": {}, "decoder": {}}
    for name, value in tensors.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = value
        elif name != "latent_avg":
            raise EngineError(f"{path}: not the weights of this network: keys 1 extra ({name})")
    return parts


def _encoder(tensors: Mapping[str, Tensor], kind: EncoderKind, path: Path) -> GradualStyleEncoder:
    first = tensors.get("input_layer.0.weight")
    if first is None or first.ndim != 4 or len(first) < SQUEEZE or len(first) % SQUEEZE:
        found = "is missing" if first is None else f"has the shape {tuple(first.shape)}"
        raise EngineError(f"{path}: not pSp or e4e: key encoder.input_layer.0.weight {found}")
    num_ws = 0
    while f"styles.{num_ws}.linear.bias" in tensors:
        num_ws += 1
    width, img_channels = first.shape[:2]
    config = StyleEncoderConfig(num_ws, _blocks(tensors, width), width, img_channels)
    with torch.device("meta"):
        encoder = _CLASSES[kind][0](config)
    load_strictly(encoder, tensors, path, prefix="encoder.", assign=True)
    return encoder.to(widen(first).dtype)


def _blocks(tensors: Mapping[str, Tensor], width: int) -> tuple[int, int, int, int]:
    """Residual blocks per stage: those of as many channels."""
    channels: list[int] = []
    while (weight := tensors.get(f"body.{len(channels)}.res_layer.1.weight")) is not None:
        channels.append(len(weight))
    first, second, third, fourth = (max(channels.count(k * width), 1) for k in (1, 2, 4, 8))
    return first, second, third, fourth


def _one_style(average: Any) -> Any:
    """The average style where a file repeats it for every layer."""
    repeated = isinstance(average, Tensor) and average.ndim == 2 and len(average) > 0
    return average[0] if repeated else average


def _centre(average: Any, shape: tuple[int, int], path: Path) -> Tensor:
    if not isinstance(average, Tensor):
        raise EngineError(f"{path}: not the weights of this network: keys 1 missing (latent_avg)")
    if tuple(average.shape) not in ((shape[1],), (1, shape[1]), shape):
        raise EngineError(
            f"{path}: not the weights of this network: keys 1 of another shape (latent_avg"
            f" {tuple(average.shape)} for {shape})"
        )
    return average.expand(shape).clone()
