from __future__ import annotations

import numpy as np

from streamfer.app.networks.models import Models
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine


def test_both_networks_are_warm_for_every_size_of_frame() -> None:
    engine = FakeEngine(lambda inputs: {"probs_ferplus": np.zeros((len(inputs["faces"]), 7))})
    detector = FakeDetector()
    Models(detector, engine).warm_up([(640, 360), (320, 180), (640, 360)])
    assert detector.calls == [1, 1]
    assert [call["faces"].shape for call in engine.calls] == [(1, 64, 64)] * 2
