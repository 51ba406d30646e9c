"""Where the styles of faces lie: distance and spread of clouds of points."""

from __future__ import annotations

import torch
from torch import Tensor

_DIRECTIONS = 256
"""Projections of the sliced Wasserstein distance."""


def sliced_wasserstein(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared distance of two equally large sets of points, seen from random directions.

    Bonneel et al., *Sliced and Radon Wasserstein Barycenters of Measures* (2015).

    Args:
        a: (N, D).
        b: (N, D).
    """
    directions = torch.nn.functional.normalize(
        torch.randn(a.shape[1], _DIRECTIONS, device=a.device), dim=0
    )
    first, second = ((x @ directions).sort(dim=0).values for x in (a, b))
    return (first - second).square().mean()


def factor_of_covariance(points: Tensor) -> Tensor:
    """(D, D) whose rows, largest first, are the principal axes scaled by their deviations: normal
    numbers times it are spread as the points are.

    Args:
        points: (N, D).
    """
    variances, axes = torch.linalg.eigh(points.T.cov())
    return (axes * variances.clamp(min=0).sqrt()).T.flip(0)
