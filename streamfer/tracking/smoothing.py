"""Steady expression probabilities: an exponential mean per track, on real time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from streamfer.types import FloatArray


@dataclass(frozen=True, slots=True)
class SmoothingConfig:
    """How much a track's probabilities are smoothed."""

    time_constant_s: float = 0.3
    """Time after which an old answer counts 1/e; 0 turns smoothing off."""
    max_gap_s: float = 0.5
    """A face unseen for longer starts afresh."""


@dataclass(slots=True, eq=False)
class _Mean:
    time_s: float
    probs: FloatArray


class ProbabilitySmoother:
    """Smooths the probabilities of one stream's tracks.

    Args:
        config: the time constants.
    """

    def __init__(self, config: SmoothingConfig | None = None) -> None:
        self._config = config or SmoothingConfig()
        self._means: dict[int, _Mean] = {}

    def __len__(self) -> int:
        """Number of tracks remembered."""
        return len(self._means)

    def update(self, track_id: int, time_s: float, probs: FloatArray) -> FloatArray:
        """Takes in one frame's answer.

        Args:
            track_id: the face.
            time_s: media time.
            probs: (7,) float32, sums to 1.

        Returns:
            (7,) float32, sums to 1.
        """
        self._forget(time_s)
        mean = self._means.get(track_id)
        is_answer = bool(np.isfinite(probs).all())
        if mean is None or self._config.time_constant_s <= 0 or not is_answer:
            # The very answer: dividing it by its sum would move its last bit on some processors.
            result = probs.copy()
        else:
            # Weight of the new answer: exact for an answer that held since the last frame.
            weight = -math.expm1(-(time_s - mean.time_s) / self._config.time_constant_s)
            smoothed = mean.probs + weight * (probs.astype(np.float64) - mean.probs)
            result = (smoothed / smoothed.sum()).astype(np.float32)
        if is_answer:  # what is none, of broken weights, say, must not stay
            self._means[track_id] = _Mean(time_s, result)
        return result

    def _forget(self, time_s: float) -> None:
        """Drops the tracks unseen for longer than the gap, and all when time ran backward."""
        old = [
            track_id
            for track_id, mean in self._means.items()
            if not 0 <= time_s - mean.time_s <= self._config.max_gap_s
        ]
        for track_id in old:
            del self._means[track_id]
