"""A grown encoder: the same answers at first, and all that is new learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from streamfer.errors import ConfigError
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.training.latent.grown import grown

SMALL = EncoderConfig(size=16, channels=(8, 12), blocks=(1, 2), code_dim=32, num_ws=6, w_dim=8)
LARGE = dataclasses.replace(SMALL, blocks=(2, 4), code_dim=80)


@pytest.fixture
def encoder() -> Encoder:
    """One whose every number is its own, statistics and the styles' weights as well."""
    torch.manual_seed(0)
    encoder = Encoder(SMALL)
    for layer in (encoder.common, encoder.deltas):
        nn.init.normal_(layer.weight, std=0.1)
    encoder.w_avg.normal_()
    with torch.no_grad():
        for _ in range(4):
            encoder(torch.randn(16, 1, 16, 16))
    return encoder.eval()


def test_it_answers_as_before(encoder: Encoder) -> None:
    faces = torch.rand(4, 1, 16, 16) * 2 - 1
    larger = grown(encoder, LARGE)
    assert larger.config == LARGE
    assert not larger.training
    with torch.no_grad():
        torch.testing.assert_close(larger(faces), encoder(faces))


def test_all_that_is_new_learns(encoder: Encoder) -> None:
    larger = grown(encoder, LARGE).train()
    before = {name: value.clone() for name, value in larger.named_parameters()}
    optimizer = torch.optim.Adam(larger.parameters(), lr=0.01)
    for _ in range(3):  # what is silent lets its neighbours learn one step later
        optimizer.zero_grad()
        larger(torch.rand(8, 1, 16, 16) * 2 - 1).square().mean().backward()
        optimizer.step()
    for name, value in larger.named_parameters():
        assert not torch.equal(value, before[name]), name
    assert (larger.deltas.weight[:, 32:] != 0).any()


@pytest.mark.parametrize(
    "change",
    [
        {"blocks": (1, 1)},
        {"code_dim": 16},
        {"channels": (8, 16)},
        {"num_ws": 8},
        {"size": 32, "code_dim": 128},
    ],
)
def test_it_grows_in_depth_and_description_only(
    encoder: Encoder, change: dict[str, object]
) -> None:
    with pytest.raises(ConfigError, match="cannot grow"):
        grown(encoder, dataclasses.replace(SMALL, **change))  # type: ignore[arg-type]
