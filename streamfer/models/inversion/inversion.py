"""Finding the code of a face by optimisation (paper A, algorithm 1).

The generator's weights are fixed; Adam, or in short searches Newton's method, moves codes in W+,
started at the encoder's estimate, until the generator draws the face. The loss of each face is the
L2 distance in the features of a cut VGG19 (the lens), the pixels' L2 distance, and a pull towards
the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from streamfer.models.inversion.curvature import Curvature
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.search import Lens, Search
from streamfer.models.stylegan2 import Generator, from_uint8, style_spread, to_pictures


@dataclass(frozen=True, slots=True, eq=False)
class InversionResult:
    """The best code found for each face, and the way there."""

    latent: Tensor = field(repr=False)
    """(N, num_ws, w_dim) float32 on the CPU."""
    reconstruction: Tensor = field(repr=False)
    """uint8 on the CPU, of the faces' shape: what the generator draws from it."""
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


class Inverter:
    """Optimises codes for batches of faces. Used by one thread at a time.

    Args:
        generator: frozen; draws (N, 1, R, R) or (N, 3, R, R).
        lens: frozen; sees pictures of the faces' size.
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
        self._config = replace(config, curvature=_on_device(config.curvature, generator))
        self._clock = clock
        self._dtype = dtype
        self._stop = stop
        self._spread = style_spread(generator)
        self._searches: dict[int, Search] = {}

    def invert(self, faces: Tensor, start: Tensor) -> InversionResult:
        """Looks for the codes of some faces.

        Args:
            faces: (N, S, S) or (N, S, S, 3) uint8, aligned; the generator's pictures, if larger,
                are compared at this size.
            start: (N, num_ws, w_dim), usually the encoder's estimate.
        """
        began = self._clock()
        config = self._config
        device = self._spread.device
        search = self._begin(from_uint8(faces.to(device)), start.to(device).detach())
        history: list[Tensor] = []
        totals: list[float] = []
        first: tuple[Tensor, Tensor] | None = None
        while True:
            last = config.is_over(totals, self._clock() - began) or self._stop()
            if last:
                search.look()
            else:
                search.learning_rate.fill_(config.rate(len(totals)))
                search.step()
            first = first or (search.feature.cpu().clone(), search.mse.cpu().clone())
            history.append(search.total.cpu().clone())
            totals.append(float(history[-1].sum()))
            if last:
                break
        return InversionResult(
            latent=search.best_latent.cpu(),
            reconstruction=to_pictures(search.best_image).cpu(),
            feature_loss_start=first[0],
            feature_loss=search.best_feature.cpu().clone(),
            mse_start=first[1],
            mse=search.best_mse.cpu().clone(),
            history=torch.stack(history),
            steps=len(history) - 1,
            seconds=self._clock() - began,
        )

    def _begin(self, target: Tensor, start: Tensor) -> Search:
        """The search for this many faces: that of an earlier batch of as many, or a new one."""
        search = self._searches.get(len(start))
        if search is None:
            search = self._searches[len(start)] = Search(
                self._generator, self._lens, self._config, self._spread, target, start, self._dtype
            )
        search.begin(target, start)
        return search


def _on_device(curvature: Curvature | None, generator: Generator) -> Curvature | None:
    if curvature is None:
        return None
    device = generator.mapping.w_avg.device
    axes, values = (
        torch.as_tensor(part, device=device) for part in (curvature.axes, curvature.values)
    )
    return replace(curvature, axes=axes, values=values)
