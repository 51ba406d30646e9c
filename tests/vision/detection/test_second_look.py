from __future__ import annotations

import numpy as np
import pytest

from streamfer.types import Detection
from streamfer.vision.detection.search_plan import plan_search
from streamfer.vision.detection.second_look import leaves_doubt, wants_half


def face(x: float, side: float, score: float) -> Detection:
    box = np.array([x, 0, x + side, side], dtype=np.float32)
    return Detection(box, score, np.full((5, 2), x, dtype=np.float32))


@pytest.mark.parametrize(
    ("faces", "scale", "doubt"),
    [
        ([], 1.0, True),
        ([face(0, 100, 0.9)], 1.0, False),
        ([face(0, 100, 0.6)], 1.0, True),
        ([face(0, 50, 0.3)], 1.0, False),
        ([face(0, 50, 0.3)], 2.0, True),
        ([face(0, 100, 0.9), face(200, 70, 0.69)], 1.0, True),
    ],
)
def test_what_leaves_doubt(faces: list[Detection], scale: float, doubt: bool) -> None:
    assert leaves_doubt(faces, scale) is doubt


def test_a_half_look_is_wanted_once_and_after_the_configured_size_only() -> None:
    plan = plan_search(640, 360, 640)
    base, half = plan.whole[:2]
    assert wants_half(plan, [(base, [])])
    assert not wants_half(plan, [(base, [face(0, 100, 0.9)])])
    assert not wants_half(plan, [(half, [])])
    assert not wants_half(plan, [(half, []), (base, [])])


def test_a_small_picture_is_not_looked_at_in_half_the_size() -> None:
    plan = plan_search(100, 100, 640, 2.0)
    assert not wants_half(plan, [(plan.base, [])])
