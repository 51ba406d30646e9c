"""The losses of StyleGAN2's game (Karras et al. 2020)."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def generator_loss(fake_logits: Tensor) -> Tensor:
    """Non-saturating loss (Goodfellow et al. 2014, section 3) of generated pictures' logits."""
    return F.softplus(-fake_logits).mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Logistic loss of the logits of real and generated pictures."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def r1_penalty(discriminate: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Half the mean squared gradient of the logits at real pictures (Mescheder et al. 2018, eq. 9).

    Args:
        discriminate: pictures → logits (N,).
        real: (N, C, H, W) real pictures, augmented already, since sampling an image cannot be
            differentiated twice.
    """
    real = real.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminate(real).sum(), real, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2


def path_length_penalty(
    images: Tensor, ws: Tensor, mean_length: Tensor, decay: float = 0.01
) -> Tensor:
    """How unequal steps in W are in the picture (Karras et al. 2020, eq. 4).

    Args:
        images: (N, C, H, W), drawn from `ws` and still attached to them.
        ws: (N, num_ws, w_dim).
        mean_length: () running mean of the lengths; updated.
        decay: share of the new mean.
    """
    noise = torch.randn_like(images) / math.sqrt(images.shape[2] * images.shape[3])
    (gradient,) = torch.autograd.grad((images * noise).sum(), ws, create_graph=True)
    lengths = gradient.square().sum(dim=2).mean(dim=1).sqrt()
    mean_length.lerp_(lengths.detach().mean(), decay)
    return (lengths - mean_length).square().mean()


def mix_styles(first: Tensor, second: Tensor, num_ws: int, probability: float) -> Tensor:
    """Style mixing (Karras et al. 2019, section 3.1).

    Args:
        first: w (N, w_dim) of the earlier layers.
        second: w (N, w_dim) of the layers from a random one on.
        num_ws: layers.
        probability: share of the pictures that are mixed at all.

    Returns:
        ws (N, num_ws, w_dim).
    """
    n, device = len(first), first.device
    cut = torch.randint(1, num_ws, (n,), device=device)
    mixed = torch.rand(n, device=device) < probability
    cut = torch.where(mixed, cut, torch.full_like(cut, num_ws))
    earlier = torch.arange(num_ws, device=device)[None, :] < cut[:, None]
    return torch.where(earlier[:, :, None], first[:, None], second[:, None])
