"""Percentiles of the latencies of the last frames."""

from __future__ import annotations

import numpy as np

from streamfer.pipeline.stats.snapshots import Percentiles


class RecentLatencies:
    """The last so many latencies, in memory that a run of months does not outgrow.

    Args:
        size: how many are kept, at 8 bytes each.
    """

    def __init__(self, size: int) -> None:
        self._seconds = np.zeros(size)
        self._count = 0

    def add(self, seconds: float) -> None:
        """Takes the place of the oldest, once there are so many."""
        self._seconds[self._count % len(self._seconds)] = seconds
        self._count += 1

    def last(self) -> float | None:
        """The newest in seconds; None of none."""
        return float(self._seconds[(self._count - 1) % len(self._seconds)]) if self._count else None

    def percentiles(self) -> Percentiles | None:
        """p50, p95 and p99 in milliseconds; None of none."""
        if not self._count:
            return None
        p50, p95, p99 = np.percentile(self._seconds[: self._count], [50, 95, 99]) * 1000
        return Percentiles(float(p50), float(p95), float(p99))
