from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import box_iou
from streamfer.tracking.tracker import Tracker
from streamfer.types import Detection, FloatArray
from tests.support.scenes import Person, Pose, Scene, play
from tests.support.tracked_scenes import MOTIONS, blank, frames_of, numbers, still, truth


def test_small_differences_to_the_carried_face_are_halved() -> None:
    """Jitter: the detector is off by 1 % of the width, the answer by about half of that."""
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    (real,) = truth(frames[1])
    shift = np.float32(0.64)
    off = Detection(real.box_xyxy + shift, 0.9, real.landmarks + shift)
    (face,) = tracker.update(frames[1].image, 0.04, [off])
    np.testing.assert_allclose(face.detection.landmarks - real.landmarks, 0.6 * shift, atol=0.1)
    np.testing.assert_allclose(face.detection.box_xyxy - real.box_xyxy, 0.6 * shift, atol=0.1)


def test_large_differences_are_the_detector_s_word() -> None:
    """No lag: where the detector sees the face elsewhere, it is there at once."""
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    (real,) = truth(frames[1])
    off = Detection(real.box_xyxy + 8, 0.9, real.landmarks + 8)
    (face,) = tracker.update(frames[1].image, 0.04, [off])
    np.testing.assert_allclose(face.detection.box_xyxy, off.box_xyxy, atol=1e-3)
    np.testing.assert_allclose(face.detection.landmarks, off.landmarks, atol=1e-3)


def test_when_the_flow_fails_the_face_moves_on_and_a_detection_is_due() -> None:
    frames = frames_of(lambda t: Pose(100 + 150 * t, 130))
    tracker = Tracker()
    for frame in frames[:9]:
        before = tracker.update(frame.image, frame.time_s, truth(frame))
    (face,) = tracker.update(blank(frames[0].image), frames[9].time_s, None)
    assert tracker.patience_s == 0
    assert not face.detected
    moved = face.detection.landmarks - before[0].detection.landmarks
    np.testing.assert_allclose(moved, np.tile([150 / 24, 0], (5, 1)), atol=1.5)


def test_the_flow_takes_the_face_up_again() -> None:
    """One ruined picture between two good ones costs nothing."""
    frames = frames_of(lambda t: Pose(100 + 60 * t, 130))
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    tracker.update(blank(frames[0].image), frames[1].time_s, None)
    (face,) = tracker.update(frames[2].image, frames[2].time_s, None)
    (real,) = truth(frames[2])
    np.testing.assert_allclose(face.detection.landmarks, real.landmarks, atol=1.0)


def test_a_detection_can_follow_on_the_same_frame() -> None:
    """After a cut the detector may look at the very frame that the flow did not understand."""
    frames = frames_of(still)
    other = list(play(Scene([Person(2, lambda t: Pose(390, 100))], 0.1, frame_wh=(480, 270))))
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    cut = cv2.flip(other[0].image, 0)
    tracker.update(cut, 0.04, None)
    assert tracker.patience_s == 0
    assert tracker.update(cut, 0.04, []) == []
    tracker.update(frames[1].image, 0.08, truth(frames[1]))
    carried = tracker.update(frames[2].image, 0.12, None)
    found = tracker.update(frames[2].image, 0.12, truth(frames[2]))
    assert numbers(carried) == numbers(found) == [1]
    assert found[0].detected
    np.testing.assert_allclose(found[0].detection.box_xyxy, carried[0].detection.box_xyxy, atol=1.0)


def test_after_a_failed_flow_the_next_one_starts_from_the_detection() -> None:
    """The light changes, the detector finds the face all the same: it is carried on from there."""
    frames = frames_of(lambda t: Pose(200 + 60 * t, 130))
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    tracker.update(255 - frames[1].image, frames[1].time_s, truth(frames[1]))
    (face,) = tracker.update(255 - frames[2].image, frames[2].time_s, None)
    assert tracker.patience_s > 0
    (real,) = truth(frames[2])
    np.testing.assert_allclose(face.detection.landmarks, real.landmarks, atol=1.0)


def test_no_ghost_is_carried_blindly() -> None:
    frames = frames_of(still)
    tracker = Tracker()
    tracker.update(frames[0].image, 0.0, truth(frames[0]))
    for seed, time_s in enumerate(np.arange(0.04, 0.5, 0.04).tolist()):
        last = tracker.update(blank(frames[0].image, seed), time_s, None)
    assert last == []


def test_a_face_that_is_lost_after_a_long_gap_is_looked_for() -> None:
    """Of a stream that is analysed twice a second, and that moves on meanwhile."""
    frames = frames_of(lambda t: Pose(365 + 200 * t, 130))
    tracker = Tracker()
    for frame in frames[:9]:
        tracker.update(frame.image, frame.time_s, truth(frame))
    (face,) = tracker.update(blank(frames[0].image), frames[8].time_s + 1.0, None)
    assert face.detection.box_xyxy[::2].mean() > 480, "predicted outside the picture"
    assert tracker.patience_s == 0


def test_a_face_that_walks_out_of_the_picture_is_not_reported() -> None:
    tracker = Tracker()
    for frame in frames_of(lambda t: Pose(400 + 220 * t, 130)):
        faces = tracker.update(frame.image, frame.time_s, truth(frame) if frame.index < 3 else None)
        x = frame.truth[0].box_xyxy[::2].mean()
        if not 470 < x < 490:  # around the border either is right
            assert bool(faces) == (x < 480)


def nowhere(boxes: FloatArray) -> NDArray[np.bool_]:
    return np.zeros(len(boxes), dtype=bool)


def test_a_face_that_the_detector_did_not_look_at_is_carried_on() -> None:
    first, second, third = frames_of(MOTIONS["slow"], seconds=3 / 24)
    tracker = Tracker()
    tracker.update(first.image, first.time_s, truth(first))
    (face,) = tracker.update(second.image, second.time_s, [], nowhere)
    assert (face.track_id, face.detected) == (1, False)
    assert box_iou(face.detection.box_xyxy, truth(second)[0].box_xyxy)[0, 0] > 0.8
    assert tracker.patience_s > 0
    assert tracker.update(third.image, third.time_s, []) == []


def test_a_face_that_the_flow_lost_is_not_carried_on_for_ever() -> None:
    (frame,) = frames_of(still, seconds=1 / 24)
    tracker = Tracker()
    tracker.update(frame.image, 0.0, truth(frame))
    counts = []
    for step in range(1, 10):
        image = blank(frame.image, step)
        counts.append(len(tracker.update(image, 0.05 * step, [], nowhere)))
        assert tracker.lost.tolist() == [True] * counts[-1]
    assert counts[0] == 1
    assert counts[-1] == 0


def test_a_part_of_a_face_that_was_not_looked_at_is_no_new_face() -> None:
    first, second = frames_of(still, seconds=2 / 24)
    (whole,) = truth(first)
    x1, y1, x2, y2 = whole.box_xyxy.tolist()
    eye = np.array([x1, y1, x1 + (x2 - x1) / 3, y1 + (y2 - y1) / 3], dtype=np.float32)
    part = Detection(eye, 0.9, np.repeat(eye[None, :2] + 5, 5, axis=0))
    tracker = Tracker()
    tracker.update(first.image, first.time_s, [whole])
    faces = tracker.update(second.image, second.time_s, [part], nowhere)
    assert numbers(faces) == [1]
    assert len(tracker.update(second.image, second.time_s, [whole, part])) == 2
