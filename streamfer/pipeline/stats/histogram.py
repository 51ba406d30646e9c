"""Counts of durations by size, for a monitor that adds them up over time."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate

BOUNDS_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets in seconds; a last one takes the rest."""


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """A histogram at one moment."""

    cumulative: tuple[int, ...]
    """Values up to each of BOUNDS_S, and last of all: their total."""
    sum_s: float


class Histogram:
    """Durations sorted into fixed buckets; its owner does the locking."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        """Counts one duration."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def snapshot(self) -> HistogramSnapshot:
        """A copy."""
        return HistogramSnapshot(tuple(accumulate(self._counts)), self._sum_s)
