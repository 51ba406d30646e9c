"""Adaptive discriminator augmentation.

Karras et al., *Training Generative Adversarial Networks with Limited Data* (2020): the blitting,
geometric and brightness and contrast parts of the pipeline, for gray pictures. All of it is one
affine sampling and one affine change of gray value, whose parameters are drawn on the device, so
that a step never waits for the host.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SIZE_DEVIATION = 0.2
"""Standard deviation of log2 of a change of size, as in the paper."""
_SHIFT_DEVIATION = 0.125
"""Of a fractional translation, as a fraction of the side."""
_BLIT_SHIFT = 0.125
"""Largest whole-pixel translation, as a fraction of the side."""


class AdaptiveAugment(nn.Module):
    """Augments each picture with probability `p` per kind of change, and tunes `p`.

    Args:
        target: wanted mean sign of the discriminator's answers to real pictures; above it the
            discriminator is overfitting and `p` rises.
        images_to_full: pictures after which `p` could have gone from 0 to 1.
        maximum: upper limit of `p`; near 1 augmentations leak into what is generated.
    """

    p: Tensor
    sign_sum: Tensor
    count: Tensor

    def __init__(self, target: float, images_to_full: int, maximum: float = 0.8) -> None:
        super().__init__()
        self._target = target
        self._images_to_full = images_to_full
        self._maximum = maximum
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign_sum", torch.zeros(()))
        self.register_buffer("count", torch.zeros(()))

    def observe(self, real_logits: Tensor) -> None:
        """Notes the discriminator's answers to real pictures, (N,)."""
        self.sign_sum += real_logits.detach().sign().sum()
        self.count += len(real_logits)

    def tune(self) -> None:
        """Moves `p` by what was observed since the last call."""
        overfitting = self.sign_sum / self.count.clamp(min=1) - self._target
        self.p += overfitting.sign() * self.count / self._images_to_full
        self.p.clamp_(0, self._maximum)
        self.sign_sum.zero_()
        self.count.zero_()

    def forward(self, images: Tensor) -> Tensor:
        """Augments (N, C, H, W) pictures of −1…1; differentiable once."""
        matrix = self._sampling_matrix(len(images), images.device)
        grid = F.affine_grid(matrix[:, :2], list(images.shape), align_corners=False)
        moved = F.grid_sample(
            images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
        )
        brightness = self._chosen(torch.randn(len(images), device=images.device) * 0.2, 0.0)
        contrast = self._chosen(torch.randn(len(images), device=images.device) * 0.5, 0.0).exp2()
        return moved * contrast[:, None, None, None] + brightness[:, None, None, None]

    def _chosen(self, values: Tensor, otherwise: float, p: Tensor | None = None) -> Tensor:
        """Each value with probability `p`, else `otherwise`."""
        chance = torch.rand_like(values) < (self.p if p is None else p)
        return torch.where(chance, values, torch.full_like(values, otherwise))

    def _sampling_matrix(self, n: int, device: torch.device) -> Tensor:
        """(N, 3, 3) matrices from output to input coordinates of −1…1."""
        uniform = torch.rand(5, n, device=device)
        normal = torch.randn(4, n, device=device)
        zero = torch.zeros(n, device=device)
        flip = self._chosen(1 - 2 * (uniform[0] < 0.5).float(), 1.0)
        quarter_turns = self._chosen((uniform[1] * 4).floor() * (math.pi / 2), 0.0)
        blit = [self._chosen((2 * u - 1) * 2 * _BLIT_SHIFT, 0.0) for u in uniform[2:4]]
        size = self._chosen(normal[0] * _SIZE_DEVIATION, 0.0).exp2()
        aspect = self._chosen(normal[1] * _SIZE_DEVIATION, 0.0).exp2()
        # Two turns around the change of aspect; together a picture is turned with probability p.
        half = 1 - (1 - self.p).sqrt()
        turns = (torch.rand(2, n, device=device) * 2 - 1) * math.pi
        before, after = self._chosen(turns[0], 0.0, half), self._chosen(turns[1], 0.0, half)
        shift = [self._chosen(s * 2 * _SHIFT_DEVIATION, 0.0) for s in normal[2:4]]
        steps = (
            _scaling(flip, zero + 1),
            _rotation(quarter_turns),
            _translation(blit[0], blit[1]),
            _scaling(size, size),
            _rotation(before),
            _scaling(aspect, 1 / aspect),
            _rotation(after),
            _translation(shift[0], shift[1]),
        )
        matrix = steps[0]
        for step in steps[1:]:
            matrix = matrix @ step
        return matrix


def _matrix(a: Tensor, b: Tensor, tx: Tensor, c: Tensor, d: Tensor, ty: Tensor) -> Tensor:
    zero, one = torch.zeros_like(a), torch.ones_like(a)
    return torch.stack([a, b, tx, c, d, ty, zero, zero, one], dim=1).reshape(-1, 3, 3)


def _scaling(x: Tensor, y: Tensor) -> Tensor:
    zero = torch.zeros_like(x)
    return _matrix(x, zero, zero, zero, y, zero)


def _rotation(angle: Tensor) -> Tensor:
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    return _matrix(cos, -sin, zero, sin, cos, zero)


def _translation(x: Tensor, y: Tensor) -> Tensor:
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return _matrix(one, zero, x, zero, one, y)
