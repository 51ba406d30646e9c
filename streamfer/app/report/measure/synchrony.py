"""Whether two faces move together: windowed lagged correlation, held against surrogates.

The method of Boker et al. (2002), "Windowed cross-correlation and peak picking for the analysis of
variability in the association between behavioral time series", with the correlations of a lag
averaged over windows that do not overlap, and series with their windows shuffled as surrogates
(Moulder et al. 2018). Circular shifts were tried first: of a minute so few are independent that
twice as many unrelated pairs passed as should.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Series = NDArray[np.float64]

RATE_HZ = 10
"""Both series are brought to so many values per second."""
_FEWEST_WINDOWS = 5
"""Of fewer there are too few orders to shuffle them into."""


@dataclass(frozen=True, slots=True)
class SynchronyConfig:
    """How two series are compared, in seconds."""

    window_s: float = 5.0
    """Windows follow each other without overlap."""
    longest_lag_s: float = 2.0
    surrogates: int = 199
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Synchrony:
    """How much two series move together."""

    correlation: float
    """Mean over windows, at the lag at which it is largest: −1 to 1."""
    lag_s: float
    """How much later the second series does what the first did, in seconds."""
    p: float
    """Share of surrogates that correlate as much: the chance that unrelated series would."""


def synchrony(
    first: Series, second: Series, config: SynchronyConfig | None = None
) -> Synchrony | None:
    """Compares two series.

    Args:
        first: (n,) values at `RATE_HZ`.
        second: (n,) values at the same times.
        config: how.

    Returns:
        None where they are too short (five windows at least), or one of them never changes.
    """
    config = config or SynchronyConfig()
    window = round(config.window_s * RATE_HZ)
    lags = round(config.longest_lag_s * RATE_HZ)
    if len(first) < _FEWEST_WINDOWS * window + 2 * lags or not (
        np.ptp(first) > 0 and np.ptp(second) > 0
    ):
        return None
    pair = _Pair(first, second, window, lags)
    observed = pair.correlations(pair.order)
    best = int(observed.argmax())
    random = np.random.default_rng(config.seed)
    reached = sum(
        bool(pair.correlations(random.permutation(pair.order)).max() >= observed[best])
        for _ in range(config.surrogates)
    )
    p = (1 + reached) / (1 + config.surrogates)
    return Synchrony(float(observed[best]), (best - lags) / RATE_HZ, p)


class _Pair:
    """Windows of two series, normalised once for all surrogates."""

    def __init__(self, first: Series, second: Series, window: int, lags: int) -> None:
        self.order = np.arange(lags, len(first) - window - lags + 1, window)
        """(windows,) where each of them begins."""
        self._ours = _normalised(sliding_window_view(first, window)[self.order])
        self._theirs = _normalised(sliding_window_view(second, window))
        self._lags = np.arange(-lags, lags + 1)[:, None]

    def correlations(self, order: NDArray[np.int64]) -> Series:
        """(lags,) mean correlation of the first series' windows with the second's, at each lag.

        Args:
            order: (windows,) where the second's begin.
        """
        theirs = self._theirs[order[None] + self._lags]
        return np.einsum("pw,lpw->l", self._ours, theirs) / len(self._ours)


def _normalised(windows: Series) -> Series:
    """Windows with mean 0 and length 1; zeros where nothing changes."""
    centred = windows - windows.mean(axis=1, keepdims=True)
    length = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
