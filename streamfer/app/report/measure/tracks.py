"""What single tracks have shown: shares of time with intervals, and transitions."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.app.report.measure.synchrony import RATE_HZ, Series
from streamfer.labels import LABELS

_HAPPY = LABELS.index("happy")
_NEGATIVE = [LABELS.index(label) for label in ("angry", "disgust", "fear", "sad")]
_RESAMPLES = 1000
_BLOCK_S = 1.0
"""Neighbouring frames are alike: whole seconds are drawn."""
_STABLE_S = 0.5
"""An expression counts once it has lasted so long."""


@dataclass(slots=True)
class Track:
    """One face of one stream, as recorded."""

    stream: str
    number: int
    times_s: list[float] = field(default_factory=list)
    probs: list[list[float]] = field(default_factory=list)
    run: str | None = None
    """The first records file of its run; None where there is only one."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) index of each frame's answer."""
        return np.asarray(self.probs).argmax(axis=1)

    def valence(self, times_s: Series) -> Series:
        """Happy minus the largest negative probability, at some moments between its frames."""
        probs = np.asarray(self.probs)
        values = probs[:, _HAPPY] - probs[:, _NEGATIVE].max(axis=1)
        return np.interp(times_s, self.times_s, values)

    def changes(self) -> list[tuple[float, int]]:
        """(moment in seconds, index of the label) at which another stable expression began."""
        found: list[tuple[float, int]] = []
        labels, begin = self.labels, 0
        for place in range(1, len(labels) + 1):
            if place < len(labels) and labels[place] == labels[begin]:
                continue
            lasted_s = self.times_s[place - 1] - self.times_s[begin]
            label = int(labels[begin])
            if lasted_s >= _STABLE_S and (not found or found[-1][1] != label):
                found.append((self.times_s[begin], label))
            begin = place
        return found


def shares(track: Track, seed: int = 0) -> dict[str, dict[str, float]]:
    """Share of a track's frames with each label, with a 95 % interval of a block bootstrap.

    Args:
        track: of at least one frame.
        seed: of the resampling.
    """
    shown = np.eye(len(LABELS))[track.labels]
    seconds = max(track.times_s[-1] - track.times_s[0], 1e-9)
    block = min(max(round(len(shown) / seconds * _BLOCK_S), 1), len(shown))
    random = np.random.default_rng(seed)
    begins = random.integers(0, len(shown) - block + 1, (_RESAMPLES, -(-len(shown) // block)))
    sums = np.concatenate([np.zeros((1, len(LABELS))), shown.cumsum(axis=0)])
    drawn = (sums[begins + block] - sums[begins]).mean(axis=1) / block
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return {
        label: {
            "share": round(float(shown[:, n].mean()), 4),
            "low": round(float(low[n]), 4),
            "high": round(float(high[n]), 4),
        }
        for n, label in enumerate(LABELS)
    }


def transitions(track: Track) -> dict[str, dict[str, int]]:
    """How often a stable expression was followed by which other one."""
    changes = [label for _, label in track.changes()]
    counted = Counter(pairwise(changes))
    found: dict[str, dict[str, int]] = {}
    for (before, after), count in sorted(counted.items()):
        found.setdefault(LABELS[before], {})[LABELS[after]] = count
    return found


def mimicry(first: Track, second: Track, within_s: float = 5.0) -> dict[str, Any]:
    """How fast the second takes up what the first begins to show.

    Returns:
        `count` of changes of the first that the second followed within so many seconds, and the
        `median_s` of what that took, None where there are none.
    """
    taken = []
    answers = second.changes()[1:]
    for moment_s, label in first.changes()[1:]:
        later = [t for t, other in answers if other == label and t > moment_s]
        if later and later[0] - moment_s <= within_s:
            taken.append(later[0] - moment_s)
    return {
        "count": len(taken),
        "median_s": round(float(np.median(taken)), 3) if taken else None,
    }


def common_times(first: Track, second: Track) -> Series:
    """Moments at `RATE_HZ` at which both are there."""
    begin = max(first.times_s[0], second.times_s[0])
    end = min(first.times_s[-1], second.times_s[-1])
    return begin + np.arange(max(int((end - begin) * RATE_HZ), 0)) / RATE_HZ
