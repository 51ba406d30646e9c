"""One optimisation of codes under way: the tensors that it moves, and its step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from streamfer.models.inversion.descent import InversionConfig, LossWeights
from streamfer.models.inversion.optimisers import EPSILON, optimiser_for
from streamfer.models.inversion.replay import replayed
from streamfer.models.stylegan2 import Generator

Lens = Callable[[Tensor], Sequence[Tensor]]
"""Pictures [NCHW] of −1…1 → feature maps [NCHW], one per depth that is compared."""


class Place(NamedTuple):
    """Where in W+ the losses are wanted, and for which faces."""

    start: Tensor
    """(N, num_ws, w_dim): the first codes."""
    offset: Tensor
    """(N, num_ws, w_dim): how far the codes are from there, in units of `spread`."""
    spread: Tensor
    """() unit of distances in W+."""
    target: Tensor
    """(N, C, S, S) of −1…1: the faces."""
    features: Sequence[Tensor]
    """What the lens sees of them."""


class Losses(NamedTuple):
    """How well codes draw their faces."""

    total: Tensor
    """(N,) weighted sum of all parts."""
    feature: Tensor
    """(N,) distance in the lens's features."""
    mse: Tensor
    """(N,) of the pixels on a [0, 1] scale."""
    image: Tensor
    """(N, C, S, S) of −1…1: what the generator draws."""
    codes: Tensor
    """(N, num_ws, w_dim)."""


class Search:
    """Codes of N faces and what moves them.

    All tensors stay where they are from one batch to the next, so that on a GPU the step is
    recorded once and replayed.

    Args:
        generator: frozen.
        lens: frozen.
        config: the weights of the loss, and the curvature, of tensors, if there is one.
        spread: () unit of distances in W+.
        target: (N, C, S, S) of −1…1: the first faces; their number is fixed. The generator draws
            at this size or at a multiple of it.
        start: (N, num_ws, w_dim): their first codes.
        dtype: of the generator's activations.
    """

    def __init__(
        self,
        generator: Generator,
        lens: Lens,
        config: InversionConfig,
        spread: Tensor,
        target: Tensor,
        start: Tensor,
        dtype: torch.dtype | None,
    ) -> None:
        self._generator = generator
        self._lens = lens
        self._weights = config.weights
        self._spread = spread
        self._dtype = dtype
        self._target = target.clone()
        self._start = start.clone()
        with torch.no_grad():
            self._features = [feature.clone() for feature in lens(target)]
        self._offset = torch.zeros_like(start, requires_grad=True)
        self.learning_rate = torch.zeros(1, device=start.device)
        with torch.no_grad():
            self._optimiser = optimiser_for(config, self._offset, self.learning_rate)
        n = len(start)
        self.total = torch.zeros(n, device=start.device)
        self.feature, self.mse = torch.zeros_like(self.total), torch.zeros_like(self.total)
        self.best_total = torch.full_like(self.total, math.inf)
        self.best_feature, self.best_mse = self.feature.clone(), self.mse.clone()
        self.best_offset, self.best_image = torch.zeros_like(start), torch.zeros_like(target)
        self.step = replayed(self._step) if start.is_cuda else self._step

    @torch.no_grad()
    def begin(self, target: Tensor, start: Tensor) -> None:
        """Takes up new faces, as many as before."""
        self._target.copy_(target)
        self._start.copy_(start)
        for own, new in zip(self._features, self._lens(target), strict=True):
            own.copy_(new)
        self._offset.zero_()
        self._optimiser.begin()
        self.best_total.fill_(math.inf)

    @property
    def best_latent(self) -> Tensor:
        """(N, num_ws, w_dim): the codes of the lowest losses."""
        return self._start + self.best_offset * self._spread

    @torch.no_grad()
    def look(self) -> None:
        """Evaluates the present codes without moving them."""
        self._evaluate()

    def _step(self) -> None:
        """Evaluates the present codes, then moves them."""
        (gradient,) = torch.autograd.grad(self._evaluate().sum(), self._offset)
        with torch.no_grad():
            self._optimiser.move(gradient)

    def _evaluate(self) -> Tensor:
        """(N,) total losses of the present codes; the best so far are kept."""
        losses = evaluate(
            self._generator,
            self._lens,
            self._weights,
            Place(self._start, self._offset, self._spread, self._target, self._features),
            self._dtype,
        )
        with torch.no_grad():
            self.total.copy_(losses.total)
            self.feature.copy_(losses.feature)
            self.mse.copy_(losses.mse)
            better = losses.total < self.best_total
            pairs = (
                (self.best_total, losses.total),
                (self.best_feature, losses.feature),
                (self.best_mse, losses.mse),
                (self.best_offset, self._offset),
                (self.best_image, losses.image),
            )
            for best, present in pairs:
                chosen = better.reshape(-1, *[1] * (present.ndim - 1))
                best.copy_(torch.where(chosen, present, best))
        return losses.total


def evaluate(
    generator: Generator,
    lens: Lens,
    weights: LossWeights,
    place: Place,
    dtype: torch.dtype | None = None,
) -> Losses:
    """Draws from codes and compares.

    Args:
        generator: frozen.
        lens: frozen.
        weights: of the loss.
        place: the codes and the faces.
        dtype: of the generator's activations; float32 if None.
    """
    codes = place.start + place.offset * place.spread
    image = fitted(generator.synthesis(codes, dtype=dtype), place.target)
    feature = feature_distance(lens(image), place.features)
    mse = pixel_mse(image, place.target)
    pull = place.offset.square().mean(dim=(1, 2))
    total = weights.feature * feature + weights.pixel * mse + weights.pull * pull
    return Losses(total, feature, mse, image, codes)


def fitted(image: Tensor, target: Tensor) -> Tensor:
    """Pictures [NCHW] at the size of the target, averaged where they are larger."""
    if image.shape[2:] == target.shape[2:]:
        return image
    return F.adaptive_avg_pool2d(image, (target.shape[2], target.shape[3]))


def pixel_mse(image: Tensor, target: Tensor) -> Tensor:
    """(N,) mean squared difference on a [0, 1] scale of pictures of −1…1."""
    return (image - target).square().mean(dim=(1, 2, 3)) / 4


def feature_distance(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """(N,) mean squared difference of feature maps, relative to the target's mean square at each
    depth, averaged over depths."""
    distances = [
        (a - b).square().flatten(1).mean(dim=1) / (b.square().flatten(1).mean(dim=1) + EPSILON)
        for a, b in zip(features, targets, strict=True)
    ]
    return torch.stack(distances).mean(dim=0)
