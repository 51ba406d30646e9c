"""Augmentation: none at p = 0, everything at p = 1, and p follows the overfitting."""

from __future__ import annotations

import pytest
import torch

from streamfer.training.latent.ada import AdaptiveAugment


def test_at_zero_pictures_stay_as_they_are() -> None:
    torch.manual_seed(0)
    images = torch.rand(6, 1, 16, 16) * 2 - 1
    augment = AdaptiveAugment(target=0.6, images_to_full=1000)
    torch.testing.assert_close(augment(images), images, rtol=1e-4, atol=1e-4)


def test_at_one_every_picture_changes_and_gradients_pass() -> None:
    torch.manual_seed(0)
    images = (torch.rand(16, 1, 16, 16) * 2 - 1).requires_grad_(True)
    augment = AdaptiveAugment(target=0.6, images_to_full=1000)
    augment.p.fill_(1.0)
    changed = augment(images)
    assert ((changed - images).abs().mean(dim=(1, 2, 3)) > 0.05).all()
    changed.sum().backward()
    assert images.grad is not None
    assert (images.grad.abs().sum(dim=(1, 2, 3)) > 0).all()


def test_share_of_changed_pictures_follows_p() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 1, 16, 16).expand(400, -1, -1, -1) * 2 - 1
    augment = AdaptiveAugment(target=0.6, images_to_full=1000)
    augment.p.fill_(0.05)
    changed = ((augment(images) - images).abs().mean(dim=(1, 2, 3)) > 1e-3).float().mean()
    assert 0.15 < changed < 0.5


@pytest.mark.parametrize(("logit", "expected"), [(3.0, 0.2), (-3.0, 0.0)])
def test_p_rises_only_when_the_discriminator_overfits(logit: float, expected: float) -> None:
    augment = AdaptiveAugment(target=0.6, images_to_full=1000)
    for _ in range(2):
        augment.observe(torch.full((100,), logit))
        augment.tune()
    assert augment.p.item() == pytest.approx(expected)


def test_p_stops_below_one() -> None:
    augment = AdaptiveAugment(target=0.6, images_to_full=100)
    augment.observe(torch.ones(1000))
    augment.tune()
    assert augment.p.item() == pytest.approx(0.8)
