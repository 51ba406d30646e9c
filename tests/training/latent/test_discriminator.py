"""Shapes, gradients and the minibatch statistic of the discriminator."""

from __future__ import annotations

import pytest
import torch

from streamfer.models.stylegan2_layers import resampling_filter
from streamfer.training.latent.discriminator import (
    Discriminator,
    append_minibatch_deviation,
    downsampling_conv,
)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_one_logit_per_picture_and_every_parameter_learns(dtype: torch.dtype | None) -> None:
    torch.manual_seed(0)
    discriminator = Discriminator((8, 8, 8), 1)
    logits = discriminator(torch.randn(4, 1, 16, 16), dtype)
    assert logits.shape == (4,)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in discriminator.parameters())


def test_minibatch_deviation_is_that_of_each_group() -> None:
    x = torch.zeros(8, 3, 2, 2)
    x[[1, 3]] = 2.0  # pictures 0, 2, 4, 6 form one group and 1, 3, 5, 7 the other
    column = append_minibatch_deviation(x)[:, 3]
    torch.testing.assert_close(column[::2], torch.full((4, 2, 2), 1e-4))
    torch.testing.assert_close(column[1::2], torch.ones(4, 2, 2))


def test_a_collapsed_batch_is_told_from_a_varied_one() -> None:
    torch.manual_seed(0)
    varied = torch.randn(4, 3, 4, 4)
    collapsed = varied[:1].expand(4, -1, -1, -1)
    assert append_minibatch_deviation(collapsed)[:, -1].max() < 1e-3
    assert append_minibatch_deviation(varied)[:, -1].min() > 0.5


@pytest.mark.parametrize("size", [1, 3])
def test_downsampling_composed_with_its_blur_is_the_same(size: int) -> None:
    torch.manual_seed(0)
    x, weight = (torch.randn(*s, dtype=torch.float64) for s in ((2, 3, 8, 8), (5, 3, size, size)))
    bias, kernel = torch.randn(5, dtype=torch.float64), resampling_filter()
    in_turn, at_once = (
        downsampling_conv(x, weight, bias, kernel, compose=c) for c in (False, True)
    )
    assert in_turn.shape == (2, 5, 4, 4)
    torch.testing.assert_close(at_once, in_turn, rtol=1e-9, atol=1e-9)
