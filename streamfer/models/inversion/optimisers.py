"""What moves the codes of a search. Arrays are of numpy or of torch, and changed in place."""

from __future__ import annotations

from typing import Any, Protocol

from streamfer.models.inversion.curvature import Curvature
from streamfer.models.inversion.descent import InversionConfig

BETAS = (0.9, 0.99)
"""Adam's decay rates of the gradient's mean and of its square's."""
EPSILON = 1e-8
"""Added under Adam's root."""
_MOMENTUM = 0.5
"""Part of a step that the next one goes on with."""


class Optimiser(Protocol):
    """Moves an offset."""

    def begin(self) -> None:
        """Forgets earlier gradients."""
        ...

    def move(self, gradient: Any) -> None:
        """Moves it by one step."""
        ...


def optimiser_for(config: InversionConfig, offset: Any, rate: Any) -> Optimiser:
    """What a search moves its codes with.

    Args:
        config: of the search. Its curvature, if it has one, is of numpy, or of the offset's device.
        offset: (N, num_ws, w_dim) that is moved.
        rate: (1,) of the next step, which the search changes in place.
    """
    if config.curvature is not None:
        return MeanNewton(offset, rate, config.curvature)
    return Adam(offset, rate)


class Adam:
    """Adam (Kingma and Ba, 2015).

    Args:
        offset: that is moved.
        rate: (1,) of the next step.
    """

    def __init__(self, offset: Any, rate: Any) -> None:
        self._offset, self._rate = offset, rate
        self._mean, self._square, self._count = offset * 0, offset * 0, rate * 0

    def begin(self) -> None:
        """Forgets earlier gradients."""
        for array in (self._mean, self._square, self._count):
            array[...] = 0

    def move(self, gradient: Any) -> None:
        """Moves it by one step."""
        self._count += 1
        self._mean += (1 - BETAS[0]) * (gradient - self._mean)
        self._square += (1 - BETAS[1]) * (gradient * gradient - self._square)
        mean = self._mean / (1 - BETAS[0] ** self._count)
        square = self._square / (1 - BETAS[1] ** self._count)
        self._offset -= self._rate * mean / (square**0.5 + EPSILON)


class MeanNewton:
    """Newton's method with the curvature that faces have in the mean, and momentum.

    Args:
        offset: that is moved.
        rate: (1,) of the next step, as part of Newton's.
        curvature: of the loss.
    """

    def __init__(self, offset: Any, rate: Any, curvature: Curvature) -> None:
        self._offset, self._rate, self._curvature = offset, rate, curvature
        self._step = offset * 0

    def begin(self) -> None:
        """Forgets earlier gradients."""
        self._step[...] = 0

    def move(self, gradient: Any) -> None:
        """Moves it by one step."""
        self._step *= _MOMENTUM
        self._step += self._rate * self._curvature.divide(gradient)
        self._offset -= self._step
