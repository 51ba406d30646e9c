"""Finding the code of a face by optimisation (paper A, algorithm 1).

The generator's weights are fixed; Adam moves codes in W+, started at the encoder's estimate, until
the generator draws the face. The loss of each face is the L2 distance in the features of a cut
VGG19 (the lens), the pixels' L2 distance, and a pull towards the start.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from streamfer.models.stylegan2 import Generator, from_uint8, to_uint8

Lens = Callable[[Tensor], Sequence[Tensor]]
"""Pictures [NCHW] of −1…1 → feature maps [NCHW], one per depth that is compared."""


@dataclass(frozen=True, slots=True)
class InversionConfig:
    """How long and how hard to look."""

    steps: int = 100
    """At most this many steps of the optimiser."""
    budget_ms: float | None = None
    """No step is begun after this many milliseconds; None for no limit."""
    learning_rate: float = 0.06
    """Adam's step, in units of the styles' spread; falls to 0 along a cosine."""
    feature_weight: float = 1.0
    pixel_weight: float = 5.0
    """Of the pixels' MSE on a [0, 1] scale."""
    pull_weight: float = 0.01
    """Of the mean squared distance from the start, in units of the styles' spread."""
    patience: int = 15
    """Steps without progress after which it stops."""
    min_progress: float = 0.005
    """Relative gain of the summed loss that counts as progress."""


@dataclass(frozen=True, slots=True, eq=False)
class InversionResult:
    """The best code found for each face, and the way there."""

    latent: Tensor = field(repr=False)
    """(N, num_ws, w_dim) float32 on the CPU."""
    reconstruction: Tensor = field(repr=False)
    """(N, R, R) uint8 on the CPU: what the generator draws from it."""
    feature_loss_start: Tensor = field(repr=False)
    """(N,) lens distance of the start."""
    feature_loss: Tensor = field(repr=False)
    """(N,) lens distance of the result."""
    mse_start: Tensor = field(repr=False)
    """(N,) pixel MSE of the start on a [0, 1] scale."""
    mse: Tensor = field(repr=False)
    """(N,) pixel MSE of the result on a [0, 1] scale."""
    history: Tensor = field(repr=False)
    """(steps + 1, N) total loss before each step, and at the end."""
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class _Losses:
    """(N,) each."""

    feature: Tensor
    mse: Tensor
    total: Tensor


class Inverter:
    """Optimises codes for batches of faces.

    Args:
        generator: frozen; draws (N, 1, R, R).
        lens: frozen; sees pictures of R × R.
        config: how long and how hard.
        clock: seconds, monotonic.
        dtype: of the generator's activations; float32 if None.
        stop: asked before each step whether to end early.
    """

    def __init__(
        self,
        generator: Generator,
        lens: Lens,
        config: InversionConfig,
        clock: Callable[[], float],
        dtype: torch.dtype | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._generator = generator
        self._lens = lens
        self._config = config
        self._clock = clock
        self._dtype = dtype
        self._stop = stop
        self._spread = style_spread(generator)

    def invert(self, faces: Tensor, start: Tensor) -> InversionResult:
        """Looks for the codes of some faces.

        Args:
            faces: (N, R, R) uint8, aligned.
            start: (N, num_ws, w_dim), usually the encoder's estimate.
        """
        began = self._clock()
        config = self._config
        device = self._spread.device
        target = from_uint8(faces.to(device))
        start = start.to(device).detach()
        with torch.no_grad():
            target_features = self._lens(target)
        offset = torch.zeros_like(start, requires_grad=True)
        optimizer = torch.optim.Adam([offset], lr=config.learning_rate, betas=(0.9, 0.99))
        best = _Best(offset)
        history: list[Tensor] = []
        for step in range(config.steps + 1):
            losses, image = self._losses(start, offset, target, target_features)
            best.keep(losses, offset, image)
            history.append(losses.total.detach())
            late = config.budget_ms is not None and (
                (self._clock() - began) * 1000 >= config.budget_ms
            )
            if step == config.steps or late or self._stop() or self._stalled(history):
                break
            optimizer.zero_grad()
            torch.autograd.backward(losses.total.sum())
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(step / config.steps)
            optimizer.step()
        return InversionResult(
            latent=(start + best.offset * self._spread).cpu(),
            reconstruction=to_uint8(best.image[:, 0]).cpu(),
            feature_loss_start=best.first.feature.cpu(),
            feature_loss=best.feature.cpu(),
            mse_start=best.first.mse.cpu(),
            mse=best.mse.cpu(),
            history=torch.stack(history).cpu(),
            steps=len(history) - 1,
            seconds=self._clock() - began,
        )

    def _losses(
        self, start: Tensor, offset: Tensor, target: Tensor, target_features: Sequence[Tensor]
    ) -> tuple[_Losses, Tensor]:
        image = self._generator.synthesis(start + offset * self._spread, dtype=self._dtype)
        feature = feature_distance(self._lens(image), target_features)
        mse = pixel_mse(image, target)
        pull = offset.square().mean(dim=(1, 2))
        config = self._config
        total = (
            config.feature_weight * feature + config.pixel_weight * mse + config.pull_weight * pull
        )
        return _Losses(feature, mse, total), image

    def _stalled(self, history: Sequence[Tensor]) -> bool:
        patience = self._config.patience
        if len(history) <= patience:
            return False
        before = min(float(total.sum()) for total in history[:-patience])
        recent = min(float(total.sum()) for total in history[-patience:])
        return recent > before * (1 - self._config.min_progress)


class _Best:
    """The lowest loss of each face so far, with what gave it."""

    def __init__(self, offset: Tensor) -> None:
        self.offset = offset.detach().clone()
        self.total = torch.full((len(offset),), math.inf, device=offset.device)

    def keep(self, losses: _Losses, offset: Tensor, image: Tensor) -> None:
        """Takes over the faces that got better."""
        feature, mse, total = losses.feature.detach(), losses.mse.detach(), losses.total.detach()
        if not hasattr(self, "first"):
            self.first = _Losses(feature, mse, total)
            self.feature, self.mse, self.image = feature, mse, image.detach()
        better = total < self.total
        self.total = torch.where(better, total, self.total)
        self.feature = torch.where(better, feature, self.feature)
        self.mse = torch.where(better, mse, self.mse)
        self.offset = torch.where(better[:, None, None], offset.detach(), self.offset)
        self.image = torch.where(better[:, None, None, None], image.detach(), self.image)


def schedule(progress: float) -> float:
    """Factor on the learning rate: up over the first twentieth, down along a cosine from a quarter
    of the way (Karras et al. 2020, appendix D)."""
    up = min(1.0, progress / 0.05 + 0.1)
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / 0.75))
    return up * down


def pixel_mse(image: Tensor, target: Tensor) -> Tensor:
    """(N,) mean squared difference on a [0, 1] scale of pictures of −1…1."""
    return (image - target).square().mean(dim=(1, 2, 3)) / 4


def feature_distance(features: Sequence[Tensor], targets: Sequence[Tensor]) -> Tensor:
    """(N,) mean squared difference of feature maps, relative to the target's mean square at each
    depth, averaged over depths."""
    distances = [
        (a - b).square().flatten(1).mean(dim=1) / (b.square().flatten(1).mean(dim=1) + 1e-8)
        for a, b in zip(features, targets, strict=True)
    ]
    return torch.stack(distances).mean(dim=0)


@torch.no_grad()
def style_spread(generator: nn.Module, samples: int = 1024) -> Tensor:
    """Root mean square distance per element of w from its average: the unit of steps in W+."""
    assert isinstance(generator, Generator)
    random = torch.Generator().manual_seed(0)
    z = torch.randn(samples, generator.config.z_dim, generator=random)
    w = generator.mapping(z.to(generator.mapping.w_avg.device))
    return (w - w.mean(dim=0)).square().mean().sqrt()
