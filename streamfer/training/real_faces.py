"""What the trainings of the latent networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamfer.models.stylegan2 import from_uint8


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
