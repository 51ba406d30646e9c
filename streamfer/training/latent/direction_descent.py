"""Directions learned from what the generator draws: `train directions --method drawn`.

Means of codes say how the codes of an expression differ, not how its pictures do. Here a direction
starts there and is moved so that faces moved along it are read as the expression, while their
pictures change as little as that takes. It is one direction for all faces, and made of what differs
between pictures of one person: what only tells persons apart is dear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streamfer.labels import LABELS
from streamfer.models.directions import Directions
from streamfer.models.inversion.lens import Lens
from streamfer.models.inversion.search import feature_distance, pixel_mse
from streamfer.models.stylegan2 import Generator
from streamfer.training.latent.direction_fit import CodedFaces, one_deviation, within
from streamfer.training.latent.real_faces import jitter
from streamfer.training.runs.loop import learning_rate_factor

_SHALLOW = 2
"""Stage of the lens whose features say what a face looks like: deeper ones say how it feels."""
_LEAST_SHARE = 1e-4
"""Of the largest variance: a direction in which codes hardly differ is not forbidden."""
_ALL_PERSONS = 0.03
"""Weight of the differences between all codes beside those within persons, of whom there may be
few."""


@dataclass(frozen=True, slots=True)
class DrawnDirections:
    """A recipe."""

    steps: int = 150
    batch_size: int = 32
    learning_rate: float = 0.03
    """Of Adam; falls to 0 along a cosine."""
    strengths: tuple[float, float] = (1.2, 2.8)
    """Faces are moved by as much, drawn evenly."""
    sure: float = 0.2
    """Cross-entropy below which a face is read as wanted."""
    pixel: float = 60.0
    """Weight of the MSE, on a [0, 1] scale, between a face and the moved one."""
    feature: float = 2.0
    """Weight of the distance between their features."""
    light: float = 20.0
    """Weight of the squared difference of their mean brightness."""
    far: float = 0.002
    """Weight of the direction's own squared length, in standard deviations within persons."""
    bf16: bool = True
    seed: int = 0


def drawn_directions(
    directions: Directions,
    faces: CodedFaces,
    generator: Generator,
    lens: Lens,
    recipe: DrawnDirections,
    expressions: Sequence[str] = LABELS,
    advance: Callable[[], None] = lambda: None,
) -> Directions:
    """Moves the directions of expressions; the others and all scores stay.

    Args:
        directions: to start from.
        faces: whose codes are moved.
        generator: frozen, on the device that learns.
        lens: frozen, on that device.
        recipe: how.
        expressions: which.
        advance: told of every expression.
    """
    device = generator.mapping.w_avg.device
    flat = faces.codes.reshape(len(faces.codes), -1).astype(np.float64)
    basis = torch.from_numpy(_basis(flat, faces.groups).astype(np.float32)).to(device)
    learner = _Learner(torch.from_numpy(faces.codes).to(device), basis, generator, lens, recipe)
    vectors = directions.vectors.copy()
    for row, name in enumerate(directions.names):
        if name in expressions:
            start = torch.from_numpy(vectors[row].ravel()).to(device)
            learned = learner.learn(start, LABELS.index(name)).cpu().numpy().astype(np.float64)
            vectors[row] = one_deviation(learned, flat).reshape(directions.code_shape)
            advance()
    return Directions(directions.names, vectors, directions.scores, directions.mean)


def _basis(flat: NDArray[np.float64], groups: NDArray[Any]) -> NDArray[np.float64]:
    """(d, d) columns: directions in which codes of one person differ, a standard deviation each."""
    known = groups >= 0
    inside = within(flat[known], groups[known]) if known.any() else flat[:0]
    covariance = _ALL_PERSONS * np.cov(flat.T)
    if len(inside) > 1:
        covariance += (1 - _ALL_PERSONS) * (inside.T @ inside) / len(inside)
    variances, axes = np.linalg.eigh(covariance)
    return axes * np.sqrt(np.maximum(variances, _LEAST_SHARE * variances.max()))


class _Learner:
    def __init__(
        self,
        codes: Tensor,
        basis: Tensor,
        generator: Generator,
        lens: Lens,
        recipe: DrawnDirections,
    ) -> None:
        self.codes, self.basis = codes, basis
        self.generator, self.lens, self.recipe = generator, lens, recipe
        self.dtype = torch.bfloat16 if recipe.bf16 else None
        self.half = torch.autocast(codes.device.type, torch.bfloat16, enabled=recipe.bf16)

    def learn(self, start: Tensor, target: int) -> Tensor:
        """(d,) the direction of an expression, from the one that it starts with."""
        recipe = self.recipe
        torch.manual_seed(recipe.seed)
        parts = torch.linalg.solve(self.basis, start).requires_grad_(True)
        optimizer = torch.optim.Adam([parts], lr=recipe.learning_rate, betas=(0.9, 0.99))
        for step in range(recipe.steps):
            for group in optimizer.param_groups:
                factor = learning_rate_factor(step / recipe.steps)
                group["lr"] = recipe.learning_rate * factor
            loss = self._loss(self.basis @ parts, target) + recipe.far * parts.square().sum()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
        return (self.basis @ parts).detach()

    def _loss(self, vector: Tensor, target: int) -> Tensor:
        recipe = self.recipe
        n, device = recipe.batch_size, self.codes.device
        codes = self.codes[torch.randint(len(self.codes), (n,)).to(device)]
        strength = torch.empty(n, 1, 1).uniform_(*recipe.strengths).to(device)
        moved_codes = codes + strength * vector.view(1, *codes.shape[1:])
        with torch.no_grad(), self.half:
            before = self.generator.synthesis(codes, dtype=self.dtype)
            features = self.lens(before, (_SHALLOW,))
        moved = self.generator.synthesis(moved_codes, dtype=self.dtype)
        with self.half:
            # As alignment and light vary: an answer that hangs on a pixel is no expression.
            _, *logits = self.lens.features_and_logits(jitter(moved.clamp(-1, 1)))
            far = feature_distance(self.lens(moved, (_SHALLOW,)), features).mean()
        wanted = torch.full((n,), target, device=device)
        unlike = [F.cross_entropy(rows.float(), wanted, reduction="none") for rows in logits]
        lighter = (moved - before).mean(dim=(1, 2, 3)) / 2
        return (
            torch.stack(unlike).clamp(min=recipe.sure).mean()
            + recipe.pixel * pixel_mse(moved, before).mean()
            + recipe.feature * far
            + recipe.light * lighter.square().mean()
        )
