from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.types import UInt8Array
from streamfer.vision.detection.detector import (
    Candidates,
    DetectorConfig,
    EngineDetector,
    Places,
    select_faces,
)
from streamfer.vision.detection.search_plan import Look
from tests.support.engines import FakeEngine


def candidates(boxes: list[list[float]], scores: list[float]) -> Candidates:
    corners = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    points = np.repeat(corners[:, None, :2], 5, axis=1)
    return Candidates(corners, np.array(scores, dtype=np.float32), points)


def whole(frame_wh: tuple[int, int], network_wh: tuple[int, int]) -> Look:
    return Look((0, 0, *frame_wh), network_wh, whole=True)


def test_select_faces_maps_each_axis_with_its_own_factor() -> None:
    (face,) = select_faces(
        candidates([[10, 20, 30, 60]], [0.9]),
        whole((640, 480), (320, 160)),
        (640, 480),
        DetectorConfig(),
    )
    np.testing.assert_allclose(face.box_xyxy, [20, 60, 60, 180])
    np.testing.assert_allclose(face.landmarks, np.tile([20, 60], (5, 1)))
    assert face.score == pytest.approx(0.9)
    assert face.box_xyxy.dtype == face.landmarks.dtype == np.float32


def test_select_faces_clips_boxes_but_not_landmarks() -> None:
    (face,) = select_faces(
        candidates([[-8, -4, 50, 200]], [0.9]),
        whole((100, 100), (100, 100)),
        (100, 100),
        DetectorConfig(),
    )
    np.testing.assert_allclose(face.box_xyxy, [0, 0, 50, 100])
    np.testing.assert_allclose(face.landmarks[0], [-8, -4])


@pytest.mark.parametrize(
    ("min_face_px", "expected"),
    [(0, [0.9, 0.8, 0.7]), (15, [0.9, 0.7]), (60, [])],
)
def test_select_faces_drops_small_ones(min_face_px: float, expected: list[float]) -> None:
    found = candidates([[0, 0, 20, 10], [30, 30, 40, 40], [50, 50, 90, 90]], [0.9, 0.8, 0.7])
    config = DetectorConfig(min_face_px=min_face_px)
    faces = select_faces(found, whole((100, 100), (100, 100)), (100, 100), config)
    assert [face.score for face in faces] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("side", "score", "is_whole", "kept"),
    [
        (20, 0.25, True, True),
        (20, 0.18, True, True),
        (20, 0.18, False, False),
        (20, 0.14, True, False),
        (10, 0.25, True, True),
        (10, 0.18, True, False),
    ],
)
def test_large_faces_need_less_of_a_score(
    side: float, score: float, is_whole: bool, kept: bool
) -> None:
    config = DetectorConfig(score_threshold=0.2, large_score_threshold=0.15)
    look = replace(whole((100, 100), (100, 100)), whole=is_whole)
    faces = select_faces(candidates([[9, 9, 9 + side, 19]], [score]), look, (100, 100), config)
    assert bool(faces) is kept


def test_select_faces_drops_a_box_outside_the_frame() -> None:
    found = candidates([[-20, 0, -5, 10]], [0.9])
    assert select_faces(found, whole((100, 100), (100, 100)), (100, 100), DetectorConfig()) == []


def test_select_faces_keeps_the_best_candidates() -> None:
    found = candidates([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]], [0.6, 0.9, 0.7])
    config = replace(DetectorConfig(), max_faces=2)
    faces = select_faces(found, whole((64, 64), (64, 64)), (64, 64), config)
    assert [face.score for face in faces] == pytest.approx([0.9, 0.7])


class WholePicture(EngineDetector):
    """Takes each picture for one face whose score is its brightness."""

    score_output = "mean"

    def decode(self, places: Places, network_wh: tuple[int, int]) -> Candidates:
        return candidates([[0, 0, *network_wh]], [float(places.answers["mean"][0, 0]) / 255])


def mean_engine(device: str = "cpu") -> FakeEngine:
    engine = FakeEngine(lambda inputs: {"mean": inputs["images"].mean(axis=(1, 2, 3))[:, None]})
    engine.device = device
    return engine


def grey(width: int, height: int, value: int) -> UInt8Array:
    return np.full((height, width, 3), value, dtype=np.uint8)


@pytest.mark.parametrize(
    ("device", "shapes"),
    [
        ("cuda:0", [(2, 64, 64, 3), (1, 32, 64, 3)]),
        ("cpu", [(1, 64, 64, 3), (1, 64, 64, 3), (1, 32, 64, 3)]),
    ],
)
def test_pictures_of_one_network_size_run_as_one_batch_on_a_gpu(
    device: str, shapes: list[tuple[int, ...]]
) -> None:
    engine = mean_engine(device)
    detector = WholePicture(
        engine, DetectorConfig(long_side=64, max_enlarge=1.0, score_threshold=0.0)
    )
    images = [grey(128, 128, 51), grey(64, 32, 102), grey(256, 256, 153)]
    found = detector.detect(images)
    assert [call["images"].shape for call in engine.calls] == shapes
    assert [faces[0].score for faces in found] == pytest.approx([0.2, 0.4, 0.6])
    assert [faces[0].box_xyxy.tolist() for faces in found] == [
        [0, 0, 128, 128],
        [0, 0, 64, 32],
        [0, 0, 256, 256],
    ]


def test_smaller_looks_are_taken_at_what_leaves_doubt() -> None:
    engine = mean_engine("cuda:0")
    detector = WholePicture(
        engine, DetectorConfig(long_side=512, score_threshold=0.0, smaller_looks=True)
    )
    images = [grey(256, 256, 204), grey(256, 256, 102), grey(200, 160, 51)]
    found = detector.detect(images)
    assert [call["images"].shape for call in engine.calls] == [
        (2, 512, 512, 3),
        (1, 320, 384, 3),
        (1, 256, 256, 3),
        (1, 160, 192, 3),
        (1, 128, 128, 3),
    ]
    assert [faces[0].score for faces in found] == pytest.approx([0.8, 0.4, 0.2])
    assert [len(faces) for faces in found] == [1, 1, 1]


def test_no_pictures_give_no_answers_and_no_run() -> None:
    engine = mean_engine()
    assert WholePicture(engine, DetectorConfig()).detect([]) == []
    assert engine.calls == []


def test_close_closes_the_engine() -> None:
    engine = mean_engine()
    detector = WholePicture(engine, DetectorConfig())
    detector.close()
    assert engine.closed == 1
    assert (detector.name, detector.sha256) == ("fake", "f" * 64)
