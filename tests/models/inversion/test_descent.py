"""The pace of the search, and when it ends."""

from __future__ import annotations

import numpy as np
import pytest

from streamfer.models.inversion.curvature import Curvature
from streamfer.models.inversion.descent import (
    ADAM_STEPS_OF_AN_EDIT,
    NEWTON_STEPS_OF_AN_EDIT,
    InversionConfig,
    schedule,
    search_of_an_edit,
)


@pytest.mark.parametrize(
    ("progress", "expected"), [(0.0, 0.1), (0.1, 1.0), (0.25, 1.0), (0.625, 0.5), (1.0, 0.0)]
)
def test_schedule(progress: float, expected: float) -> None:
    assert schedule(progress) == pytest.approx(expected)


def test_the_rate_follows_the_schedule_over_all_steps() -> None:
    config = InversionConfig(steps=40, learning_rate=0.2)
    assert config.rate(25) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("totals", "elapsed_s", "over"),
    [
        ([], 0.0, False),
        ([8.0, 4.0, 2.0], 0.9, False),
        ([8.0, 4.0, 2.0], 1.0, True),
        ([8.0, 4.0, 2.0, 1.0, 0.5], 0.0, True),
        ([1.0, 2.0, 2.0], 0.0, True),
        ([1.0, 2.0, 0.9], 0.0, False),
    ],
    ids=["begun", "going", "late", "all steps", "stalled", "gained"],
)
def test_it_ends_when_steps_time_or_progress_do(
    totals: list[float], elapsed_s: float, over: bool
) -> None:
    config = InversionConfig(steps=5, budget_ms=1000, patience=2, min_progress=0.05)
    assert config.is_over(totals, elapsed_s) is over


def test_codes_for_editing_are_looked_for_in_few_steps_where_the_curvature_is_known() -> None:
    axes = np.eye(1, 6, dtype=np.float32)
    known = search_of_an_edit(Curvature(axes, np.ones(1, np.float32), 0.1))
    unknown = search_of_an_edit(None)
    assert (known.steps, unknown.steps) == (NEWTON_STEPS_OF_AN_EDIT, ADAM_STEPS_OF_AN_EDIT)
    assert known.curvature is not None
    wanted = search_of_an_edit(None, steps=3, pull=0.5)
    assert (wanted.steps, wanted.weights.pull) == (3, 0.5)
