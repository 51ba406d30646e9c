"""A limit on the processor time of a live run, kept by doing less often what can wait."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

MOST_STRETCH = 10.0
"""New faces are looked for every two seconds then."""
_INTERVAL_S = 1.0
_GAIN = 0.5
"""Of the logarithm of use over budget: a step's whole effect is seen only after the next second."""
_TOLERANCE = 1.05
_PATIENCE = 5
"""Measurements above the budget, with nothing left to save, before that is said."""


class CpuBudget:
    """Says how much less often a live run looks for faces and refines, so that it stays in budget.

    What cannot wait, decoding, following and reading every face of every frame, is never cut.

    Args:
        cores: the budget; 1.5 is one and a half cores' time.
        busy_cores: what the run takes at present, child processes included; None where nobody
            knows yet. Asked once a second.
        save: told of every change of `stretch`.
        give_up: told in a sentence that the budget cannot be kept; once until it is kept again.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        cores: float,
        busy_cores: Callable[[], float | None],
        save: Callable[[float], None],
        give_up: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cores = cores
        self._busy_cores = busy_cores
        self._save = save
        self._give_up = give_up
        self._clock = clock
        self._measured_s: float | None = None
        self._stretch = 1.0
        self._above = 0
        """Measurements in a row above the budget with nothing left to save."""

    def stretch(self) -> float:
        """By how many times longer than usual a look for new faces may wait, 1 to `MOST_STRETCH`.

        Called by the analyzer's thread before each batch.
        """
        now = self._clock()
        if self._measured_s is None or now - self._measured_s >= _INTERVAL_S:
            self._measured_s = now
            busy = self._busy_cores()
            if busy is not None:
                self._adjust(busy)
        return self._stretch

    def _adjust(self, busy_cores: float) -> None:
        over = max(busy_cores, 1e-3) / self._cores
        stretch = min(max(self._stretch * over**_GAIN, 1.0), MOST_STRETCH)
        if not math.isclose(stretch, self._stretch):
            self._stretch = stretch
            self._save(stretch)
        spent = self._stretch == MOST_STRETCH and over > _TOLERANCE
        self._above = self._above + 1 if spent else 0
        if self._above == _PATIENCE:
            self._give_up(
                f"--cpu-budget {self._cores:g} cannot be kept: {busy_cores:.1f} cores are busy,"
                f" although new faces are looked for {MOST_STRETCH:g} times less often;"
                " --no-refine, fewer streams or fewer outputs take less"
            )
