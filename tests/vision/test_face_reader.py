from __future__ import annotations

import numpy as np

from streamfer.vision.align import align_face
from streamfer.vision.face_reader import HostFaceReader
from tests.support.detectors import FakeDetector
from tests.support.engines import FakeEngine
from tests.support.results import detection


def test_faces_of_any_pictures_are_read_in_one_run() -> None:
    engine = FakeEngine(lambda inputs: {"level": inputs["faces"].mean(axis=(1, 2))})
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (200, 240, 3), dtype=np.uint8) for _ in range(3)]
    members = [2, 0, 2]
    faces = [detection(20, 30), detection(100, 80), detection(150, 100)]
    read = HostFaceReader(FakeDetector(), engine).take(images).align(members, faces).read(["level"])
    expected = [align_face(images[i], f).image for i, f in zip(members, faces, strict=True)]
    np.testing.assert_array_equal(read.crops, expected)
    np.testing.assert_allclose(read.answers["level"], [c.mean() for c in expected])
    assert len(engine.calls) == 1


def test_only_outputs_that_are_asked_for_and_exist_come_back() -> None:
    engine = FakeEngine(lambda inputs: {name: np.zeros(1) for name in ("a", "b")})
    batch = HostFaceReader(FakeDetector(), engine).take([np.zeros((200, 200, 3), np.uint8)])
    assert set(batch.align([0], [detection()]).read(("b", "c")).answers) == {"b"}


def test_some_of_the_pictures_are_searched() -> None:
    detector = FakeDetector(detection())
    batch = HostFaceReader(detector, FakeEngine(lambda inputs: {})).take([np.zeros((9, 9, 3))] * 3)
    assert [len(found) for found in batch.detect([2, 0])] == [1, 1]
    assert detector.calls == [2]
