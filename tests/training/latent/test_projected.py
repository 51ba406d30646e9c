"""A discriminator that looks through a frozen network, and its augmentation."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import FaceVGG, FaceVGGConfig
from streamfer.training.generator import train_generator
from streamfer.training.latent.adversarial import discriminator_loss
from streamfer.training.latent.gan import GeneratorTrainer, GeneratorTraining
from streamfer.training.latent.projected import DifferentiableAugment, ProjectedDiscriminator

_TINY = GeneratorTraining(
    shape=GeneratorConfig(channels=(8, 8, 8), z_dim=4, w_dim=8, mapping_layers=2),
    projected=True,
    images=64,
    batch_size=8,
    tick_images=32,
    bf16=False,
)


@pytest.fixture(scope="module")
def lens() -> Lens:
    torch.manual_seed(1)
    return Lens(FaceVGG(FaceVGGConfig(width=0.05, input_size=16)))


@pytest.fixture
def faces() -> Tensor:
    """Dark discs on light ground, at random places."""
    random = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    centres = torch.rand(64, 2, generator=random) * 8 + 4
    squared = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    return torch.where(squared < 16, 40, 210).to(torch.uint8)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_every_scale_judges_and_only_the_judges_learn(
    lens: Lens, dtype: torch.dtype | None
) -> None:
    before = [p.clone() for p in lens.parameters()]
    discriminator = ProjectedDiscriminator(lens, 16)
    images = torch.randn(4, 1, 16, 16, requires_grad=True)
    logits = discriminator(images, dtype)
    # Sides 16, 8, 4 and 2 are halved to 4, 4, 4 and 2; the light to 6.
    assert logits.shape == (4, 3 * 16 + 4 + 36)
    assert logits.dtype == torch.float32
    logits.square().sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in discriminator.parameters())
    discriminator.requires_grad_(True)
    assert not any(p.requires_grad for p in lens.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, lens.parameters(), strict=True))
    assert not any("network" in name for name in discriminator.state_dict())


def test_it_learns_to_tell_drawings_apart(lens: Lens, faces: Tensor) -> None:
    torch.manual_seed(0)
    real = faces[:32, None].float() / 127.5 - 1
    fake = real + 0.5 * torch.randn_like(real)
    discriminator = ProjectedDiscriminator(lens, 16)
    optimizer = torch.optim.Adam(discriminator.parameters(), 0.005)
    losses = []
    for _ in range(40):
        loss = discriminator_loss(discriminator(real), discriminator(fake))
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_light_alone_is_seen_too(lens: Lens) -> None:
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(lens, 16)
    image = torch.randn(1, 1, 16, 16) * 0.2
    assert not torch.allclose(discriminator(image), discriminator(image + 0.5), atol=1e-3)


def test_augmentation_is_seeded_differentiable_and_keeps_the_shape() -> None:
    augment, images = DifferentiableAugment(), torch.randn(6, 1, 16, 16, requires_grad=True)
    torch.manual_seed(3)
    changed = augment(images)
    torch.manual_seed(3)
    assert torch.equal(augment(images), changed)
    assert changed.shape == images.shape
    assert not torch.equal(changed[0], changed[1])
    changed.sum().backward()
    assert images.grad is not None
    assert (images.grad != 0).any()
    assert 0.05 < (changed == 0).float().mean() < 0.5  # cut out, or moved in from outside


def test_a_game_is_resumed_as_if_never_stopped(tmp_path: Path, lens: Lens, faces: Tensor) -> None:
    whole = train_generator(faces, _TINY, tmp_path / "whole", lens=lens)
    half = dataclasses.replace(_TINY, images=32)
    train_generator(faces, half, tmp_path / "parts", lens=lens)
    resumed = train_generator(faces, _TINY, tmp_path / "parts", lens=lens, resume=True)
    for expected, actual in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(actual, expected)
    rows = [json.loads(x) for x in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [row["r1"] for row in rows] == [0, 0]


def test_a_game_may_start_from_a_generator(tmp_path: Path, lens: Lens, faces: Tensor) -> None:
    torch.manual_seed(9)
    initial = Generator(_TINY.shape)
    trainer = GeneratorTrainer(faces, _TINY, lens, initial)
    for started in (trainer.G, trainer.G_ema):
        for expected, actual in zip(initial.parameters(), started.parameters(), strict=True):
            assert torch.equal(expected, actual)
    train_generator(faces, _TINY, tmp_path, lens=lens, initial=initial)
    assert load_generator(tmp_path / "generator.safetensors").config == _TINY.shape
