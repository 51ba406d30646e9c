from __future__ import annotations

import numpy as np
import pytest

from streamfer.types import Detection
from streamfer.vision.detection.second_look import join_looks, leaves_doubt, second_size


def face(x: float, side: float, score: float) -> Detection:
    box = np.array([x, 0, x + side, side], dtype=np.float32)
    return Detection(box, score, np.full((5, 2), x, dtype=np.float32))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((640, 480), (320, 224)),
        ((640, 352), (320, 160)),
        ((256, 32), (128, 32)),
        ((224, 224), None),
    ],
)
def test_the_second_size(first: tuple[int, int], second: tuple[int, int] | None) -> None:
    assert second_size(first) == second


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


def test_the_second_look_places_large_faces_and_the_better_score_stays() -> None:
    first = [face(0, 100, 0.6), face(300, 20, 0.5)]
    second = [face(10, 100, 0.4), face(500, 80, 0.3), face(700, 30, 0.9)]
    joined = join_looks(first, second, 1.0, 0.3)
    assert [(f.box_xyxy[0], f.score) for f in joined] == [(10, 0.6), (300, 0.5), (500, 0.3)]


@pytest.mark.parametrize("first", [[], [face(0, 100, 0.6)]])
def test_one_look_may_find_nothing(first: list[Detection]) -> None:
    assert join_looks(first, [], 1.0, 0.3) == first
    assert join_looks([], first, 1.0, 0.3) == first
