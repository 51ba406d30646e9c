"""Carrying what optimisation found on some frames over to the frames that follow.

What it found of several frames is put together by kriging: the estimate of a Gaussian process whose
covariance falls with the distance in time and between the encoded codes. A single residual carries
the chance of its search, and says little of a moment between two that were searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfer.pipeline.refine.refiner import RefinedFace
from streamfer.types import FloatArray


@dataclass(frozen=True, slots=True)
class ResidualConfig:
    """How fast residuals fade. Distances are root mean squares per element, in units of the spread
    of the generator's styles."""

    spread: float = 1.0
    """Root mean square distance of styles from their average: the unit of distances."""
    half_life_s: float = 8.0
    """Media time after which half of the weight is left, in seconds."""
    half_distance: float = 1.5
    """Distance of the encoded code from the one that was refined at which half is left."""
    noise: float = 0.1
    """Variance of the chance of a search, as a share of that of the residuals; above 0."""
    doubt_distance: float = 2.0
    """Distance beyond which the face is taken for another person's, and the residual is dropped.
    One face moves by 0.6 in a second and by 1.3 in four; two people's differ by 1.7 (medians)."""
    least_weight: float = 0.05
    """A weight below it counts as none."""
    kept: int = 16
    """Residuals of one face: it comes back to expressions that it has shown."""


class CarriedResiduals:
    """The residuals of one face's refinements, refined minus encoded codes, fading.

    Args:
        config: how fast they fade.
    """

    def __init__(self, config: ResidualConfig) -> None:
        self._config = config
        self._searches: list[RefinedFace] = []
        self._encoded = np.empty((0, 0), dtype=np.float32)
        """(n, num_ws × w_dim), and in the same order …"""
        self._residuals = np.empty((0, 0), dtype=np.float32)
        self._times_s = np.empty(0)
        self._covariance = np.empty((0, 0))

    def __len__(self) -> int:
        return len(self._searches)

    def add(self, refined: RefinedFace) -> None:
        """Takes in what was found of one frame."""
        self._keep([*self._searches, refined][-self._config.kept :])

    def drop_spent(self, time_s: float) -> None:
        """Forgets those that are too old to count from this media time on."""
        ages_s = np.maximum(time_s - self._times_s, 0.0)
        self._keep_only(self._likeness(np.zeros(len(self)), ages_s) >= self._config.least_weight)

    def weights(self, encoded: FloatArray, time_s: float) -> NDArray[np.float64]:
        """(n,) how well each fits a new frame, 0 to 1; what leaves the identity in doubt is
        forgotten.

        Args:
            encoded: (num_ws, w_dim) the encoder's estimate for that frame.
            time_s: its media time.
        """
        distances = self._distances(encoded)
        certain = distances <= self._config.doubt_distance
        if not certain.all():
            self._keep_only(certain)
            distances = distances[certain]
        weights = self._likeness(distances, np.maximum(time_s - self._times_s, 0.0))
        return np.where(weights >= self._config.least_weight, weights, 0.0)

    def apply(self, encoded: FloatArray, time_s: float) -> tuple[RefinedFace, FloatArray] | None:
        """The code of a new frame with the residual added that they suggest for it.

        Returns:
            The search of the most similar moment, and the code; None where none fits.
        """
        weights = self.weights(encoded, time_s)
        if not weights.any():
            return None
        noise = self._config.noise * np.eye(len(weights))
        shares = np.linalg.solve(self._covariance + noise, weights).astype(np.float32)
        code = encoded + (shares @ self._residuals).reshape(encoded.shape)
        return self._searches[int(weights.argmax())], code

    def _keep_only(self, wanted: NDArray[np.bool_]) -> None:
        if not wanted.all():
            self._keep([self._searches[i] for i in np.flatnonzero(wanted).tolist()])

    def _keep(self, searches: list[RefinedFace]) -> None:
        self._searches = searches
        self._encoded = np.array([one.encoded.ravel() for one in searches], dtype=np.float32)
        refined = np.array([one.latent.ravel() for one in searches], dtype=np.float32)
        self._residuals = refined - self._encoded
        self._times_s = np.array([one.time_s for one in searches])
        apart_s = np.abs(self._times_s[:, None] - self._times_s)
        apart = np.array([self._distances(one.encoded) for one in searches])
        self._covariance = self._likeness(apart.reshape(apart_s.shape), apart_s)

    def _distances(self, encoded: FloatArray) -> NDArray[np.float64]:
        """(n,) of the codes that were refined from another one."""
        if not self._searches:
            return np.empty(0)
        moved = self._encoded - encoded.ravel()
        return np.sqrt(np.mean(moved * moved, axis=1, dtype=np.float64)) / self._config.spread

    def _likeness(
        self, distances: NDArray[np.float64], apart_s: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """How much two moments have in common, 0 to 1."""
        config = self._config
        half_lives = apart_s / config.half_life_s + (distances / config.half_distance) ** 2
        return np.asarray(0.5**half_lives)
