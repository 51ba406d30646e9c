"""Growing a trained network: Net2WiderNet (Chen, Goodfellow & Shlens, 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamfer.errors import ConfigError
from streamfer.models.vgg import FaceVGG, FaceVGGConfig


@torch.no_grad()
def widened(model: FaceVGG, config: FaceVGGConfig, seed: int = 0) -> FaceVGG:
    """A network of another width (or size, or dropout) that computes what `model` computes.

    Every new channel copies an old one. Whoever reads the copies divides the old weight among
    them in random parts, so that they learn different things from the first step on.

    Args:
        model: the trained network.
        config: shape of the new network, at least as wide.
        seed: of the choice of copies and parts.

    Raises:
        ConfigError: the new network is narrower.
    """
    if config.width < model.config.width:
        raise ConfigError(f"cannot start width {config.width} from width {model.config.width}")
    rng = torch.Generator().manual_seed(seed)
    wide = FaceVGG(config)
    copies = torch.zeros(1, dtype=torch.int64)  # of the single gray channel
    for old, new in zip(model.trunk, wide.trunk, strict=True):
        if isinstance(old, nn.Conv2d) and isinstance(new, nn.Conv2d):
            weight = _divide(old.weight, copies, rng)
            copies = _choose(old.out_channels, new.out_channels, rng)
            new.weight.copy_(weight[copies])
        elif isinstance(old, nn.BatchNorm2d) and isinstance(new, nn.BatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                getattr(new, name).copy_(getattr(old, name)[copies])
    for head in ("head_ferplus", "head_fer2013"):
        old_head, new_head = getattr(model, head), getattr(wide, head)
        new_head.weight.copy_(_divide(old_head.weight, copies, rng))
        new_head.bias.copy_(old_head.bias)
    return wide


def _choose(old: int, new: int, rng: torch.Generator) -> Tensor:
    """Which old channel each new one copies: all once, then all again in random order."""
    rounds = [torch.arange(old)]
    while sum(map(len, rounds)) < new:
        rounds.append(torch.randperm(old, generator=rng))
    return torch.cat(rounds)[:new]


def _divide(weight: Tensor, copies: Tensor, rng: torch.Generator) -> Tensor:
    """Spreads weights over the copies of their inputs, [O I …] to [O len(copies) …]."""
    parts = torch.rand((weight.shape[0], len(copies)), generator=rng) + 0.5
    totals = torch.zeros((weight.shape[0], weight.shape[1]))
    totals.index_add_(1, copies, parts)
    shares = parts / totals[:, copies]
    return weight[:, copies] * shares.reshape(*shares.shape, *([1] * (weight.ndim - 2)))
