"""Losses, schedules and calibration of the classifier."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Loss = Literal["ce", "mse"]


def distribution_loss(logits: Tensor, targets: Tensor, kind: Loss) -> Tensor:
    """Mean loss over the rows that have a target.

    Args:
        logits: [N7].
        targets: [N7] distributions; a row of zeros has none and teaches nothing.
        kind: `ce`, cross-entropy with soft targets (paper A, eq. 3 as a softmax needs it), or
            `mse`, squared error of the probabilities, summed over the classes (paper B, eq. 2).
    """
    present = targets.sum(dim=1)
    if kind == "ce":
        rows = -(targets * F.log_softmax(logits.float(), dim=1)).sum(dim=1)
    else:
        errors = torch.softmax(logits.float(), dim=1) - targets
        rows = errors.square().sum(dim=1) * present
    return rows.sum() / present.sum().clamp(min=1.0)


def learning_rate_factor(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up from a tenth, then a cosine to zero (Loshchilov & Hutter, 2017)."""
    if step < warmup:
        return 0.1 + 0.9 * step / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def input_size_of_epoch(epoch: int, epochs: int, input_size: int, progressive: bool) -> int:
    """Side at which an epoch is trained.

    Progressive runs spend the first third at two thirds of the size and the next third at five
    sixths (multiples of 8): early epochs learn as much for half the arithmetic.
    """
    if not progressive or epoch >= epochs * 2 // 3:
        return input_size
    fraction = 2 / 3 if epoch < epochs // 3 else 5 / 6
    return max(round(input_size * fraction / 8) * 8, 16)


def fit_temperature(logits: Tensor, classes: Tensor) -> float:
    """The temperature that minimises the negative log likelihood (Guo et al., 2017).

    Args:
        logits: [N7] of faces the network was not trained on.
        classes: [N] int64 true classes.

    Returns:
        A value in [0.25, 4]; 1 without faces.
    """
    if not len(classes):
        return 1.0
    candidates = torch.logspace(-2, 2, 161, base=2.0)
    losses = [F.cross_entropy(logits.float() / t, classes) for t in candidates]
    return float(candidates[int(torch.stack(losses).argmin())])
