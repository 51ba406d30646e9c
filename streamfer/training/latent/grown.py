"""A larger encoder that answers as a trained one does, to go on learning from there."""

from __future__ import annotations

import torch
from torch import nn

from streamfer.errors import ConfigError
from streamfer.models.encoder import Encoder, EncoderConfig, ResidualBlock

_STEM = 3
"""Layers of the body before its blocks."""


@torch.no_grad()
def grown(encoder: Encoder, config: EncoderConfig) -> Encoder:
    """Enlarges an encoder; what is new is silent at first (Chen et al., *Net2Net*, 2016).

    New blocks come at the end of their stages and add nothing to what passes them; the styles do
    not read the new part of the description. Both learn from then on.

    Args:
        encoder: trained.
        config: the larger shape: more blocks in a stage, a longer description, or both.

    Returns:
        An encoder of that shape with the same answers, ready for inference.

    Raises:
        ConfigError: `config` differs in more than further blocks and a longer description.
    """
    old = encoder.config
    same = ("size", "img_channels", "channels", "num_ws", "w_dim")
    if (
        any(getattr(old, name) != getattr(config, name) for name in same)
        or any(a < b for a, b in zip(config.blocks, old.blocks, strict=True))
        or config.code_dim < old.code_dim
    ):
        raise ConfigError(f"an encoder of {old} cannot grow to {config}")
    larger = Encoder(config).eval()
    larger.w_avg.copy_(encoder.w_avg)
    _copy_body(encoder, larger)
    _copy_description(encoder, larger)
    return larger


def _copy_body(encoder: Encoder, larger: Encoder) -> None:
    mine, theirs = larger.body.children(), encoder.body.children()
    for _ in range(_STEM):
        next(mine).load_state_dict(next(theirs).state_dict())
    for count, before in zip(larger.config.blocks, encoder.config.blocks, strict=True):
        for _ in range(before):
            next(mine).load_state_dict(next(theirs).state_dict())
        for _ in range(before, count):
            block = next(mine)
            assert isinstance(block, ResidualBlock)
            nn.init.zeros_(block.norm2.weight)


def _copy_description(encoder: Encoder, larger: Encoder) -> None:
    """A description is flattened channel by channel: the old part of it comes first."""
    for ours, theirs in zip(larger.describe, encoder.describe, strict=True):
        for name, value in theirs.state_dict().items():
            mine = ours.state_dict()[name]
            if value.ndim:
                mine[: len(value)] = value
            else:
                mine.copy_(value)
    for mine, theirs in ((larger.common, encoder.common), (larger.deltas, encoder.deltas)):
        mine.weight[:, : theirs.in_features] = theirs.weight
        mine.bias.copy_(theirs.bias)
