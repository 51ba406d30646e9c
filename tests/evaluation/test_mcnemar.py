from __future__ import annotations

import numpy as np
import pytest

from streamfer.evaluation.mcnemar import compare_paired, comparison_table


def answers(*parts: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(times, first is right, second is right) → both answers and the truth."""
    right_a = np.concatenate([np.full(n, a) for n, a, _ in parts])
    right_b = np.concatenate([np.full(n, b) for n, _, b in parts])
    return right_a.astype(np.int64), right_b.astype(np.int64), np.ones(len(right_a), np.int64)


@pytest.mark.parametrize(
    ("only_a", "only_b", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 22 / 1024), (9, 1, 22 / 1024), (0, 4, 2 / 16)],
)
def test_exact_test(only_a: int, only_b: int, p_value: float) -> None:
    result = compare_paired(*answers((50, 1, 1), (30, 0, 0), (only_a, 1, 0), (only_b, 0, 1)))
    assert (result.only_a, result.only_b) == (only_a, only_b)
    assert result.p_value == pytest.approx(p_value)
    assert result.accuracy_a == pytest.approx((50 + only_a) / result.n)
    assert result.accuracy_b == pytest.approx((50 + only_b) / result.n)


def test_the_table_has_a_row_per_style_and_label_set() -> None:
    result = compare_paired(*answers((1500, 1, 1), (490, 0, 0), (8, 1, 0), (2, 0, 1)))
    table = comparison_table({"photo": {"ferplus": result, "fer2013": result}}, "plain", "fused")
    assert table.splitlines()[2:] == [
        f"| photo | {labels} | 2,000 | 75.40% | 75.10% | 8 | 2 | 0.11 |"
        for labels in ("ferplus", "fer2013")
    ]
    assert "| only plain right | only fused right |" in table.splitlines()[0]
