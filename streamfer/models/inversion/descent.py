"""How long and how hard the code of a face is looked for, wherever the steps are computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamfer.models.inversion.curvature import Curvature

STEPS_OF_A_RUN = 10
"""So many for one face while a video plays, where the next search goes on from what this one found:
what is found late is of no use to a face that has moved (docs/latent.md)."""

NEWTON_STEPS_OF_AN_EDIT, ADAM_STEPS_OF_AN_EDIT = 10, 60
"""For a code that is to be edited, with the curvature of the loss and without."""

FIT_OF_AN_EDIT = 0.75
"""Share of that search's way that such codes go (docs/latent-per.md)."""

_RATE_OF_A_RUN = 0.3
"""Adam's step in a run: a search that goes on from a good code overshoots with the larger one that
a long search profits by."""

_NEWTON_RATE = 0.4
"""Part of the step that the mean curvature suggests: that of a face may be larger."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What the parts of the loss count."""

    feature: float = 1.0
    """Of the distance in the lens's features."""
    pixel: float = 20.0
    """Of the pixels' MSE on a [0, 1] scale."""
    pull: float = 0.001
    """Of the mean squared distance from the start, in units of the styles' spread."""


@dataclass(frozen=True, slots=True)
class InversionConfig:
    """How long and how hard to look."""

    steps: int = 100
    """At most this many steps of the optimiser."""
    budget_ms: float | None = None
    """No step is begun after this many milliseconds; None for no limit."""
    learning_rate: float = 0.5
    """Adam's step, in units of the styles' spread; falls to 0 along a cosine."""
    weights: LossWeights = LossWeights()
    patience: int = 15
    """Steps without progress after which it stops."""
    min_progress: float = 0.005
    """Relative gain of the summed loss that counts as progress."""
    curvature: Curvature | None = field(default=None, compare=False)
    """With it Newton's steps are taken instead of Adam's: a short search gains, a long one does
    not."""

    def rate(self, taken: int) -> float:
        """The learning rate of the step after so many."""
        if self.curvature is not None:
            return _NEWTON_RATE
        return self.learning_rate * schedule(taken / self.steps)

    def is_over(self, totals: Sequence[float], elapsed_s: float) -> bool:
        """Whether no further step is due.

        Args:
            totals: the summed loss before each step so far.
            elapsed_s: time since it began, in seconds.
        """
        late = self.budget_ms is not None and elapsed_s * 1000 >= self.budget_ms
        return len(totals) == self.steps or late or self._has_stalled(totals)

    def _has_stalled(self, totals: Sequence[float]) -> bool:
        if len(totals) <= self.patience:
            return False
        before, recent = min(totals[: -self.patience]), min(totals[-self.patience :])
        return recent > before * (1 - self.min_progress)


def search_of_a_run(
    steps: int = STEPS_OF_A_RUN,
    budget_ms: float | None = None,
    curvature: Curvature | None = None,
) -> InversionConfig:
    """How a face is looked for while a video plays.

    Args:
        steps: at most.
        budget_ms: no step is begun after so many milliseconds.
        curvature: of the networks' loss, where it is known.
    """
    return InversionConfig(
        steps=steps, budget_ms=budget_ms, learning_rate=_RATE_OF_A_RUN, curvature=curvature
    )


def search_of_an_edit(
    curvature: Curvature | None, steps: int | None = None, pull: float = LossWeights().pull
) -> InversionConfig:
    """How a code that is to be edited is looked for.

    A few of Newton's steps change a code along the few axes that pictures hang on, and leave the
    others, in which directions were learned, where the encoder put them.

    Args:
        curvature: of the networks' loss; None, where it is not known, takes more of Adam's steps.
        steps: at most; None for the usual number.
        pull: towards the encoder's code, see `LossWeights`.
    """
    usual = ADAM_STEPS_OF_AN_EDIT if curvature is None else NEWTON_STEPS_OF_AN_EDIT
    return InversionConfig(
        steps=steps or usual, weights=LossWeights(pull=pull), curvature=curvature
    )


def schedule(progress: float) -> float:
    """Factor on the learning rate: up over the first twentieth, down along a cosine from a quarter
    of the way (Karras et al. 2020, appendix D)."""
    up = min(1.0, progress / 0.05 + 0.1)
    down = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / 0.75))
    return up * down
