"""The loop that the trainers of the latent networks share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Protocol

from torch import nn

from streamfer.errors import ConfigError


class Trainer(Protocol):
    """What is trained, as far as the loop needs it."""

    @property
    def images_seen(self) -> int:
        """Pictures shown so far."""
        ...


class Limits(Protocol):
    """When a run ends, and how often it reports."""

    @property
    def images(self) -> int:
        """Pictures to be shown."""
        ...

    @property
    def max_seconds(self) -> float:
        """Time that it may take."""
        ...

    @property
    def tick_images(self) -> int:
        """Pictures between two reports."""
        ...


def train_until_over(
    trainer: Trainer,
    limits: Limits,
    elapsed_s: Callable[[], float],
    step: Callable[[float], None],
    tick: Callable[[], None],
) -> None:
    """Takes steps until all pictures are shown or the time is up.

    Args:
        trainer: counts the pictures.
        limits: of the run.
        elapsed_s: seconds since it began.
        step: takes one, told how much of the run is over, 0 to 1, by pictures or by time, whichever
            ends it.
        tick: reports.
    """
    next_tick = trainer.images_seen + limits.tick_images
    while trainer.images_seen < limits.images:
        elapsed = elapsed_s() / limits.max_seconds
        if elapsed >= 1:
            break
        step(max(elapsed, trainer.images_seen / limits.images))
        if trainer.images_seen >= next_tick:
            next_tick += limits.tick_images
            tick()


def learning_rate_factor(progress: float) -> float:
    """Up over the first hundredth, then down along a cosine to a hundredth."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return min(1.0, progress / 0.01 + 0.01) * max(cosine, 0.01)


def check_sound(figures: Iterable[float], *modules: nn.Module) -> None:
    """Ends a run whose networks have come apart, before it writes them over better ones.

    Args:
        figures: losses of the last steps.
        modules: what would be kept.

    Raises:
        ConfigError: one of them, or a weight, is no finite number.
    """
    tensors = [value for module in modules for value in module.state_dict().values()]
    sound = all(bool(value.isfinite().all()) for value in tensors)
    if not (sound and all(math.isfinite(figure) for figure in figures)):
        raise ConfigError(
            "the training has come apart: its loss or its weights are no finite numbers; lower"
            " --learning-rate. What was saved before stays"
        )
