from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.types import UInt8Array
from streamfer.vision.heads.expression import ExpressivenessHead, ValenceHead
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
