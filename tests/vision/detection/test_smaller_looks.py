from __future__ import annotations

import numpy as np
import pytest

from streamfer.types import Detection
from streamfer.vision.detection.search_plan import plan_search
from streamfer.vision.detection.smaller_looks import leaves_doubt, smaller_look


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


def test_each_look_in_doubt_calls_for_the_next() -> None:
    plan = plan_search(640, 360, 640)
    base, half, quarter = plan.whole
    sure, unsure = [face(0, 300, 0.9)], [face(0, 300, 0.6)]
    assert smaller_look(plan, [(base, [])]) == half
    assert smaller_look(plan, [(base, sure)]) is None
    assert smaller_look(plan, [(base, unsure), (half, unsure)]) == quarter
    assert smaller_look(plan, [(base, unsure), (half, sure)]) is None
    assert smaller_look(plan, [(base, []), (half, []), (quarter, [])]) is None


def test_none_is_wanted_where_the_configured_size_was_not_looked_at() -> None:
    plan = plan_search(640, 360, 640)
    base, half, quarter = plan.whole
    assert smaller_look(plan, [(half, [])]) is None
    assert smaller_look(plan, [(half, []), (base, [])]) == quarter


def test_a_small_picture_is_not_looked_at_in_a_smaller_size() -> None:
    plan = plan_search(100, 100, 640, 2.0)
    assert smaller_look(plan, [(plan.base, [])]) is None
