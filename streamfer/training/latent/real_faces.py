"""What the trainings of the latent networks share."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamfer.models.stylegan2 import from_uint8

_TURN_DEG, _LOG2_SIZE, _SHIFT = 4.0, 0.1, 0.03
"""Standard deviations; shifts as a fraction of half the side."""
_LOG2_CONTRAST, _BRIGHTNESS = 0.25, 0.12
"""Standard deviations; brightness on the scale of −1…1."""


def draw_real(faces: Tensor, count: int) -> Tensor:
    """Random faces, half of them mirrored.

    Args:
        faces: (M, R, R) uint8; the draw happens on its device.
        count: how many.

    Returns:
        (count, 1, R, R) float32 of −1…1.
    """
    rows = torch.randint(len(faces), (count,), device=faces.device)
    real = from_uint8(faces[rows])
    mirrored = torch.rand(count, 1, 1, 1, device=faces.device) < 0.5
    return torch.where(mirrored, real.flip(3), real)


def jitter(images: Tensor) -> Tensor:
    """Moves, turns, scales and relights faces a little, as alignment and light vary in streams.

    Args:
        images: (N, 1, R, R) of −1…1.

    Returns:
        The same shape and range; beyond the picture its edge repeats.
    """
    n, device = len(images), images.device
    normal = torch.randn(6, n, device=device)
    angle = normal[0] * math.radians(_TURN_DEG)
    size = (normal[1] * _LOG2_SIZE).exp2()
    cos, sin = angle.cos() * size, angle.sin() * size
    rows = [
        torch.stack([cos, -sin, normal[2] * _SHIFT]),
        torch.stack([sin, cos, normal[3] * _SHIFT]),
    ]
    matrix = torch.stack(rows).permute(2, 0, 1)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast, brightness = (normal[4] * _LOG2_CONTRAST).exp2(), normal[5] * _BRIGHTNESS
    relit = moved * contrast[:, None, None, None] + brightness[:, None, None, None]
    return relit.clamp(-1, 1)


def averaging_step(updates: int, decay: float) -> float:
    """How far an average moves at an update: 1 − `decay`, further at first, so that it forgets the
    random start."""
    return 1 - min(decay, (1 + updates) / (10 + updates))


@torch.no_grad()
def follow(average: nn.Module, current: nn.Module, step: Tensor | float) -> None:
    """Moves an average's weights and statistics by `step`, 0 to 1, towards the current ones."""
    theirs = current.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name], step)
