"""Carrying what optimisation found on one frame over to the frames that follow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamfer.pipeline.refine.refiner import RefinedFace
from streamfer.types import FloatArray


@dataclass(frozen=True, slots=True)
class ResidualConfig:
    """How fast a residual fades. Distances are root mean squares per element, in units of the
    spread of the generator's styles."""

    spread: float = 1.0
    """Root mean square distance of styles from their average: the unit of distances."""
    half_life_s: float = 8.0
    """Media time after which half of the weight is left, in seconds."""
    half_distance: float = 1.0
    """Distance of the encoded code from the one that was refined at which half is left."""
    doubt_distance: float = 2.0
    """Distance beyond which the face is taken for another person's, and the residual is dropped.
    One face moves by 0.6 in a second and by 1.3 in four; two people's differ by 1.7 (medians)."""
    least_weight: float = 0.05
    """A weight below it counts as none."""


class CarriedResidual:
    """The residual of one refinement: refined minus encoded code, fading.

    Args:
        refined: what was found.
        config: how fast it fades.
    """

    def __init__(self, refined: RefinedFace, config: ResidualConfig) -> None:
        self.refined = refined
        self._config = config
        self._residual = refined.latent - refined.encoded
        self._dropped = False

    def weight(self, encoded: FloatArray, time_s: float) -> float:
        """How much of the residual fits a new frame, 0 to 1.

        Args:
            encoded: (num_ws, w_dim) the encoder's estimate for that frame.
            time_s: its media time.
        """
        config = self._config
        moved = encoded - self.refined.encoded
        distance = float(np.sqrt(np.mean(moved * moved))) / config.spread
        if distance > config.doubt_distance:
            self._dropped = True
        if self._dropped:
            return 0.0
        half_lives = self._half_lives(time_s) + (distance / config.half_distance) ** 2
        weight = 0.5**half_lives
        return weight if weight >= config.least_weight else 0.0

    def is_spent(self, time_s: float) -> bool:
        """Whether it counts as none from this media time on, whatever the face looks like."""
        return self._dropped or 0.5 ** self._half_lives(time_s) < self._config.least_weight

    def apply(self, encoded: FloatArray, time_s: float) -> tuple[FloatArray, float]:
        """The code of a new frame with the residual added, and the weight it was given."""
        weight = self.weight(encoded, time_s)
        return (encoded + np.float32(weight) * self._residual) if weight else encoded, weight

    def _half_lives(self, time_s: float) -> float:
        return max(time_s - self.refined.time_s, 0.0) / self._config.half_life_s
