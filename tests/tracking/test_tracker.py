"""What the tracker reports, frame by frame."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from streamfer.geometry import FACE_TEMPLATE, box_iou
from streamfer.tracking.tracker import Tracker, TrackerConfig
from streamfer.types import Detection
from tests.support.scenes import Person, Pose, Scene, play
from tests.support.tracked_scenes import MOTIONS, blank, frames_of, numbers, still, truth


def test_a_face_is_reported_from_its_first_detection() -> None:
    (frame,) = frames_of(still, seconds=1 / 24)
    (detection,) = truth(frame)
    (face,) = Tracker().update(frame.image, 0.0, [detection])
    assert face.track_id == 1
    assert face.detected
    assert face.detection is detection


def test_nothing_is_reported_before_a_detection() -> None:
    (frame,) = frames_of(still, seconds=1 / 24)
    tracker = Tracker()
    assert tracker.update(frame.image, 0.0, None) == []
    assert tracker.update(frame.image, 0.1, []) == []
    assert tracker.patience_s == math.inf


@pytest.mark.parametrize("name", MOTIONS)
@pytest.mark.parametrize("enlarge", [0.4, 1, 4])
def test_box_and_landmarks_are_carried(name: str, enlarge: float) -> None:
    frames = frames_of(MOTIONS[name], seconds=0.42)
    tracker = Tracker()
    for index, frame in enumerate(frames):
        image = cv2.resize(frame.image, None, fx=enlarge, fy=enlarge, interpolation=cv2.INTER_AREA)
        # Pixel centres: enlarging maps x to (x + 0.5) · factor − 0.5.
        (real,) = truth(frame)
        box = ((real.box_xyxy + 0.5) * enlarge - 0.5).astype(np.float32)
        landmarks = ((real.landmarks + 0.5) * enlarge - 0.5).astype(np.float32)
        detections = [Detection(box, 0.9, landmarks)] if index == 0 else None
        (face,) = tracker.update(image, frame.time_s, detections)
        assert face.detected == (index == 0)
        assert face.detection.score == pytest.approx(0.9)
        off = np.linalg.norm(face.detection.landmarks - landmarks, axis=1) / (box[2] - box[0])
        assert off.max() < 0.05
        # A tilting head changes the upright box's shape; the carried one keeps it.
        assert box_iou(face.detection.box_xyxy, box)[0, 0] > (0.75 if "tilt" in name else 0.9)


def test_a_carried_face_is_not_trusted_with_every_motion() -> None:
    """Quick faces are detected more often, calm ones are left to the flow."""
    patience = {}
    for name in ("still", "quick"):
        tracker = Tracker()
        for frame in frames_of(MOTIONS[name], seconds=0.6):
            tracker.update(
                frame.image, frame.time_s, truth(frame) if frame.index % 4 == 0 else None
            )
        patience[name] = tracker.patience_s
    assert patience["still"] == math.inf
    assert 0 < patience["quick"] < 0.2


def test_a_new_face_is_soon_looked_at_again() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    assert 0 < tracker.patience_s < 0.2


def test_a_face_that_the_detector_does_not_find_is_not_reported() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    assert tracker.update(frames[1].image, 0.04, []) == []
    assert tracker.patience_s == 0
    assert tracker.update(frames[2].image, 0.08, None) == []
    assert numbers(tracker.update(frames[3].image, 0.12, truth(frames[3]))) == [1]
    assert tracker.patience_s > 0


@pytest.mark.parametrize(("absent_s", "number"), [(0.1, 1), (1.9, 1), (2.1, 2), (10.0, 2)])
def test_a_face_that_left_is_remembered(absent_s: float, number: int) -> None:
    frames = frames_of(still)
    tracker = Tracker(TrackerConfig(memory_s=2.0))
    tracker.update(frames[0].image, 5.0, truth(frames[0]))
    for time_s in np.arange(5.04, 5 + absent_s, 0.04).tolist():
        assert tracker.update(frames[1].image, time_s, []) == []
    (face,) = tracker.update(frames[2].image, 5 + absent_s, truth(frames[2]))
    assert face.track_id == number


def test_a_gap_in_the_stream_counts_as_absence() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    assert numbers(tracker.update(blank(frames[0].image), 60.0, [])) == []
    assert numbers(tracker.update(frames[1].image, 60.1, truth(frames[1]))) == [2]


def test_low_scores_keep_a_face_but_start_none() -> None:
    frames = frames_of(still)
    tracker = Tracker(TrackerConfig(new_score=0.5, new_score_with_landmarks=0.5))
    assert tracker.update(frames[0].image, 0.0, truth(frames[0], 0.4)) == []
    assert numbers(tracker.update(frames[1].image, 0.04, truth(frames[1], 0.5))) == [1]
    (face,) = tracker.update(frames[2].image, 0.08, truth(frames[2], 0.2))
    assert face.track_id == 1
    assert face.detection.score == pytest.approx(0.2)
    assert tracker.update(frames[3].image, 0.12, []) == []
    assert tracker.update(frames[4].image, 0.16, truth(frames[4], 0.4)) == []


@pytest.mark.parametrize(
    ("score", "sound", "starts"),
    [(0.5, False, True), (0.49, False, False), (0.2, True, True), (0.14, True, False)],
)
def test_landmarks_that_lie_as_in_a_face_let_a_doubtful_one_start(
    score: float, sound: bool, starts: bool
) -> None:
    (frame, *_) = frames_of(still)
    (face,) = truth(frame, score)
    if not sound:
        face = replace(face, landmarks=face.landmarks[[1, 0, 2, 3, 4]])
    assert bool(Tracker().update(frame.image, 0.0, [face])) is starts


def test_numbers_are_never_given_again() -> None:
    frames = frames_of(still)
    tracker, given = Tracker(), []
    for start_s in range(0, 50, 10):
        given += numbers(tracker.update(frames[0].image, start_s, truth(frames[0])))
        tracker.update(frames[0].image, start_s + 5.0, [])
    assert given == [1, 2, 3, 4, 5]


def test_faces_come_by_number_whatever_the_detector_s_order() -> None:
    frames = frames_of(lambda t: Pose(80, 130), lambda t: Pose(220, 130), lambda t: Pose(380, 130))
    tracker = Tracker()
    first = tracker.update(frames[0].image, 0.0, truth(frames[0]))
    again = tracker.update(frames[1].image, 0.04, truth(frames[1])[::-1])
    assert numbers(first) == numbers(again) == [1, 2, 3]
    for a, b in zip(first, again, strict=True):
        assert box_iou(a.detection.box_xyxy, b.detection.box_xyxy)[0, 0] > 0.9


def test_a_new_picture_size_keeps_the_numbers() -> None:
    frames = frames_of(lambda t: Pose(120, 130), lambda t: Pose(350, 130))
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    half = [
        Detection(d.box_xyxy / np.float32(2), d.score, d.landmarks / np.float32(2))
        for d in truth(frames[1])
    ]
    small = cv2.resize(frames[1].image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    faces = tracker.update(small, 0.04, half[::-1])
    assert numbers(faces) == [1, 2]
    np.testing.assert_allclose(faces[0].detection.box_xyxy, half[0].box_xyxy, atol=1e-3)


def test_many_faces_keep_their_numbers() -> None:
    def path(row: int, column: int) -> Callable[[float], Pose]:
        return lambda t: Pose(40 + 58 * column + 20 * t, 35 + 66 * row, width=40)

    paths = [path(row, column) for row in range(4) for column in range(7)]
    people = [Person(i % 4, path) for i, path in enumerate(paths)]
    tracker = Tracker()
    rng = np.random.default_rng(0)
    for frame in play(Scene(people, 1.0)):
        detections = truth(frame)
        order = rng.permutation(len(detections))
        faces = tracker.update(
            frame.image,
            frame.time_s,
            [detections[i] for i in order] if frame.index % 3 == 0 else None,
        )
        if frame.index == 0:
            owner = {f.track_id: int(order[f.track_id - 1]) for f in faces}
        assert len(faces) == 28
        for face in faces:
            real = detections[owner[face.track_id]]
            assert box_iou(face.detection.box_xyxy, real.box_xyxy)[0, 0] > 0.7


def test_same_input_same_output() -> None:
    frames = frames_of(MOTIONS["all at once"], lambda t: Pose(380, 130, angle=t))

    def run() -> list[list[float]]:
        tracker, result = Tracker(), []
        for frame in frames:
            detections = truth(frame) if frame.index % 4 == 0 else None
            for face in tracker.update(frame.image, frame.time_s, detections):
                result.append([face.track_id, *face.detection.box_xyxy.tolist()])
        return result

    assert run() == run()


def test_arguments_are_left_alone() -> None:
    frames = frames_of(MOTIONS["slow"])
    tracker = Tracker()
    for frame in frames[:6]:
        detections = truth(frame)
        image = frame.image.copy()
        boxes = [d.box_xyxy.copy() for d in detections]
        frame.image.setflags(write=False)
        tracker.update(frame.image, frame.time_s, detections if frame.index % 2 == 0 else None)
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal([d.box_xyxy for d in detections], boxes)


ODD_BOXES = [
    [0, 0, 480, 270],
    [-200, -150, 700, 500],
    [470, 260, 480, 270],
    [10, 10, 10, 10],
    [10, 10, 12, 13],
    [100, 100, 90, 80],
    [500, 300, 600, 400],
    [0, 100, 480, 101],
]


@pytest.mark.parametrize("box", ODD_BOXES)
@pytest.mark.parametrize("wh", [(480, 270), (1, 1), (33, 2000)])
def test_odd_boxes_and_pictures_do_no_harm(box: list[float], wh: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (wh[1], wh[0], 3), dtype=np.uint8)
    corners = np.array(box, dtype=np.float32)
    detection = Detection(corners, 0.9, np.tile(corners[:2], (5, 1)))
    tracker = Tracker()
    for index in range(8):
        faces = tracker.update(image, index / 24, [detection] if index in (0, 4) else None)
        assert len(faces) <= 1
        assert all(np.isfinite(f.detection.box_xyxy).all() for f in faces)
    tracker.update(image[:1], 1.0, None)


def test_time_that_stands_still_or_runs_backward_does_no_harm() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    for time_s in (1.0, 1.0, 0.5, 0.5, 0.6):
        assert numbers(tracker.update(frames[0].image, time_s, truth(frames[0]))) == [1]


def test_it_says_where_the_faces_are_that_it_follows() -> None:
    (frame,) = frames_of(still, lambda t: Pose(350, 130), seconds=1 / 24)
    tracker = Tracker()
    assert tracker.boxes_xyxy.shape == (0, 4)
    tracker.update(frame.image, 0.0, truth(frame))
    np.testing.assert_allclose(tracker.boxes_xyxy, [d.box_xyxy for d in truth(frame)])
    assert tracker.lost.tolist() == [False, False]


def test_by_how_many_quarters_faces_lean() -> None:
    image = np.zeros((160, 520, 3), dtype=np.uint8)
    tracker = Tracker()
    assert tracker.quarter_turns.tolist() == []
    points = 60 * FACE_TEMPLATE - 30
    unknown = np.full((5, 2), np.nan)
    turned = [points, np.stack([-points[:, 1], points[:, 0]], axis=1), -points, unknown]
    faces = []
    for place, landmarks in enumerate(turned):
        middle = np.array([60 + 120 * place, 80])
        box = np.concatenate([middle - 30, middle + 30]).astype(np.float32)
        faces.append(Detection(box, 0.9, (landmarks + middle).astype(np.float32)))
    tracker.update(image, 0.0, faces)
    assert tracker.quarter_turns.tolist() == [0, 1, 2, 0]
