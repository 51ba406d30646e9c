"""Losses, schedules and calibration of the classifier."""

from __future__ import annotations

from collections.abc import Sequence
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


def learning_rate_factor(epoch: float, epochs: int, warmup: float, cooldown: float) -> float:
    """Linear warm-up from a tenth, a plateau, and a linear fall to zero (Hägele et al., 2024).

    As good as a cosine, and the length may still be changed during the plateau.

    Args:
        epoch: position in the run, in epochs, fractions included.
        epochs: length of the run.
        warmup: length of the warm-up in epochs.
        cooldown: fraction of the run that the fall takes.
    """
    if epoch < warmup:
        return 0.1 + 0.9 * epoch / warmup
    return min(1.0, (epochs - epoch) / max(epochs * cooldown, 1e-9))


def input_size_of_epoch(epoch: int, epochs: int, sizes: Sequence[int]) -> int:
    """Side in pixels at which an epoch is trained: each size gets an equal part of the run.

    Early epochs on smaller pictures learn nearly as much for half the arithmetic.
    """
    return sizes[epoch * len(sizes) // epochs]


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
