"""The losses against closed forms."""

from __future__ import annotations

import torch

from streamfer.training.latent.adversarial import (
    discriminator_loss,
    generator_loss,
    mix_styles,
    path_length_penalty,
    r1_penalty,
)


def test_losses_are_the_logistic_ones() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-1.0, 3.0])
    expected = -(real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    torch.testing.assert_close(discriminator_loss(real, fake), expected)
    torch.testing.assert_close(generator_loss(fake), -fake.sigmoid().log().mean())


def test_r1_is_half_the_squared_gradient_and_teaches() -> None:
    weight = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    real = torch.randn(5, 3, 1, 1)
    penalty = r1_penalty(lambda x: (x[:, :, 0, 0] * weight).sum(dim=1), real)
    torch.testing.assert_close(penalty, weight.square().sum() / 2)
    (gradient,) = torch.autograd.grad(penalty, weight)
    torch.testing.assert_close(gradient, weight)


def test_path_length_is_zero_where_all_steps_are_equal() -> None:
    torch.manual_seed(0)
    mean_length = torch.zeros(())
    ws = torch.randn(64, 1, 16, requires_grad=True)
    # Each style is a pixel: the length of a step is that of the noise, about 1 after scaling.
    images = ws.reshape(64, 1, 4, 4) * 3
    penalty = path_length_penalty(images, ws, mean_length, decay=1.0)
    assert abs(mean_length.item() - 3.0) < 0.2
    assert penalty.item() < 0.5
    uneven = ws.reshape(64, 1, 4, 4) * torch.linspace(0, 6, 64).reshape(64, 1, 1, 1)
    assert path_length_penalty(uneven, ws, mean_length, decay=1.0).item() > 2.0


def test_mixed_styles_change_once() -> None:
    torch.manual_seed(0)
    first, second = torch.zeros(200, 3), torch.ones(200, 3)
    ws = mix_styles(first, second, num_ws=6, probability=0.5)[:, :, 0]
    assert (ws[:, 0] == 0).all()
    assert (ws.diff(dim=1) >= 0).all()
    mixed = ws[:, -1] == 1
    assert 60 < mixed.sum() < 140
    assert set(ws[mixed].sum(dim=1).int().tolist()) == {1, 2, 3, 4, 5}
    assert (mix_styles(first, second, 6, 0.0) == 0).all()
