"""How well encoder and generator together keep a face: the losses of their training."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import feature_distance, pixel_mse


@dataclass(frozen=True, slots=True)
class ReconstructionWeights:
    """Weights of the parts of the loss."""

    pixel: float = 100.0
    """Of the MSE on a [0, 1] scale."""
    feature: float = 1.0
    """Of the distance through the lens."""
    expression: float = 10.0
    """Of the divergence between the expressions read from face and reconstruction."""
    delta: float = 0.01
    """Of the later layers' mean squared departure from the first, in units of the spread."""
    latent: float = 0.3
    """Of the mean squared error of known codes, in units of the spread."""
    code: float = 0.3
    """Of that of the optimised codes of real faces, where there are some."""


def reconstruction_losses(lens: Lens, faces: Tensor, drawn: Tensor) -> dict[str, Tensor]:
    """Compares pictures with what was drawn from their codes.

    Args:
        lens: frozen.
        faces: (N, 1, R, R) of −1…1.
        drawn: (N, 1, R, R).

    Returns:
        `pixel`, `feature` and `expression`, means over the faces.
    """
    with torch.no_grad():
        features, *true_logits = lens.features_and_logits(faces)
    drawn_features, *drawn_logits = lens.features_and_logits(drawn)
    divergences = [
        F.kl_div(a.log_softmax(dim=1), b.log_softmax(dim=1), reduction="batchmean", log_target=True)
        for a, b in zip(drawn_logits, true_logits, strict=True)
    ]
    return {
        "pixel": pixel_mse(drawn, faces).mean(),
        "feature": feature_distance(drawn_features, features).mean(),
        "expression": torch.stack(divergences).mean(),
    }


def weighted_sum(losses: dict[str, Tensor], weights: ReconstructionWeights) -> Tensor:
    """The total of the losses named as the weights are."""
    total = torch.zeros((), device=next(iter(losses.values())).device)
    for name, loss in losses.items():
        total = total + getattr(weights, name) * loss
    return total
