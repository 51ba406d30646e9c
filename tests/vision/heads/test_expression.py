from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.types import UInt8Array
from streamfer.vision.heads.expression import (
    ExpressivenessHead,
    ValenceHead,
    of_expressions,
)
from streamfer.vision.heads.pose import PoseHead
from tests.support.results import face_result

CROPS: UInt8Array = np.zeros((1, 64, 64), np.uint8)


@pytest.mark.parametrize(
    ("smoothed", "valence", "expressiveness"),
    [
        ([0, 0, 0, 1, 0, 0, 0], 1.0, 1.0),
        ([0, 0, 0, 0, 1, 0, 0], -1.0, 1.0),
        ([0, 0, 0, 0, 0, 0, 1], 0.0, 0.0),
        ([0, 0, 0, 0, 0, 1, 0], 0.0, 1.0),
        ([0.3, 0.1, 0.1, 0.2, 0.1, 0.1, 0.1], -0.1, 0.9),
        ([0.1, 0, 0, 0.4, 0.1, 0, 0.4], 0.3, 0.6),
    ],
)
def test_both_follow_from_the_tracks_answer(
    smoothed: list[float], valence: float, expressiveness: float
) -> None:
    face = replace(face_result(), smoothed=np.array(smoothed, np.float32))
    assert ValenceHead().read(CROPS, [face])[0]["valence"] == pytest.approx(valence)
    (answer,) = ExpressivenessHead().read(CROPS, [face])
    assert answer["expressiveness"] == pytest.approx(expressiveness)


@pytest.mark.parametrize(
    ("expressions", "valence", "expressiveness"),
    [
        (("happy", "sad", "neutral"), True, True),
        (("happy", "surprise"), False, False),
        (("angry", "neutral"), False, True),
    ],
)
def test_what_was_never_taught_says_nothing(
    expressions: tuple[str, ...], valence: bool, expressiveness: bool
) -> None:
    pose = PoseHead()
    heads = of_expressions([pose, ValenceHead(), ExpressivenessHead()], expressions)
    assert heads[0] is pose
    answers = [head.read(CROPS, [face_result()])[0] for head in heads[1:]]
    assert [bool(answer) for answer in answers] == [valence, expressiveness]
