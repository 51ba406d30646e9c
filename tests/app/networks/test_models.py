from __future__ import annotations

import numpy as np

from streamfer.app.networks.models import Models
from streamfer.vision.detection.centerface import CenterFace
from streamfer.vision.detection.detector import DetectorConfig
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine


def test_both_networks_are_warm_for_every_size_of_frame() -> None:
    engine = FakeEngine(lambda inputs: {"probs_ferplus": np.zeros((len(inputs["faces"]), 7))})
    detector = FakeDetector()
    Models(detector, engine).warm_up([(640, 360), (320, 180), (640, 360)])
    assert detector.calls == [1, 1]
    assert [call["faces"].shape for call in engine.calls] == [(1, 64, 64)] * 2


def test_a_large_picture_s_tiles_are_warm_after_one_of_them() -> None:
    def answer(inputs):  # type: ignore[no-untyped-def]
        _, height, width, _ = inputs["images"].shape
        channels = {"heatmap": 1, "scale": 2, "offset": 2, "landmarks": 10}
        shape = height // 4, width // 4
        return {n: np.zeros((1, c, *shape), dtype=np.float32) for n, c in channels.items()}

    detection = FakeEngine(answer)
    face = FakeEngine(lambda inputs: {"probs_ferplus": np.zeros((len(inputs["faces"]), 7))})
    detector = CenterFace(detection, DetectorConfig(full_size=True))  # type: ignore[arg-type]
    Models(detector, face).warm_up([(1920, 1080)])  # type: ignore[arg-type]
    shapes = [call["images"].shape[1:3] for call in detection.calls]
    assert shapes == [(640, 352), (352, 640), (192, 320), (96, 160), (352, 256), (608, 704)]
