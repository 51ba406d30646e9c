from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.types import Detection
from streamfer.vision.detection.search_plan import Look
from streamfer.vision.detection.suppression import join_looks, non_maximum_suppression, on_same_head

WHOLE = Look((0, 0, 1920, 1080), (640, 352), whole=True)
LEFT = Look((0, 0, 704, 608), (704, 608), whole=False)
RIGHT = Look((608, 0, 1312, 608), (704, 608), whole=False)


def face(
    x: float, y: float, side: float, score: float, points_at: float | None = None
) -> Detection:
    """A square face whose landmarks lie around its middle, or around another x."""
    box = np.array([x, y, x + side, y + side], dtype=np.float32)
    middle = x + side / 2 if points_at is None else points_at
    offsets = side * np.array([[-0.2, -0.2], [0.2, -0.2], [0, 0], [-0.15, 0.2], [0.15, 0.2]])
    return Detection(box, score, (offsets + np.array([middle, y + side / 2])).astype(np.float32))


def places(faces: list[Detection]) -> list[tuple[float, float]]:
    return [(float(f.box_xyxy[0]), f.score) for f in faces]


def suppressed(*faces: Detection, iou: float = 0.3) -> list[int]:
    boxes = np.array([f.box_xyxy for f in faces])
    points = np.array([f.landmarks for f in faces])
    scores = np.array([f.score for f in faces], dtype=np.float32)
    return non_maximum_suppression(boxes, points, scores, iou).tolist()


def test_the_best_of_overlapping_boxes_stays_best_first() -> None:
    assert suppressed(
        face(0, 0, 10, 0.6), face(1, 0, 10, 0.7), face(30, 30, 10, 0.9), face(31, 30, 10, 0.8)
    ) == [2, 1]


def test_a_suppressed_box_suppresses_nothing() -> None:
    assert suppressed(face(0, 0, 10, 0.9), face(6, 0, 10, 0.8), face(12, 0, 10, 0.7), iou=0.2) == [
        0,
        2,
    ]


def test_a_box_within_another_one_is_of_the_same_head() -> None:
    assert suppressed(face(0, 0, 100, 0.8), face(30, 30, 40, 0.9)) == [1]


def test_boxes_side_by_side_that_point_at_the_same_eyes_are_of_one_head() -> None:
    assert suppressed(face(0, 0, 40, 0.8), face(30, 0, 40, 0.6, points_at=24)) == [0]


def test_heads_side_by_side_are_two() -> None:
    assert suppressed(face(0, 0, 40, 0.8), face(30, 0, 40, 0.6)) == [0, 1]


def test_landmarks_that_are_missing_say_nothing() -> None:
    nowhere = Detection(face(30, 0, 40, 1).box_xyxy, 0.6, np.full((5, 2), np.nan, np.float32))
    assert not on_same_head(face(0, 0, 40, 0.8), nowhere)


def test_the_look_that_sees_a_face_in_the_best_size_places_it() -> None:
    (joined,) = join_looks(
        [(WHOLE, [face(100, 100, 60, 0.75)]), (LEFT, [face(105, 100, 60, 0.7)])], 0.3
    )
    assert joined.box_xyxy[0] == 105
    assert joined.score == pytest.approx(0.75)


def test_a_face_that_is_cut_by_a_tile_is_left_to_the_other_one() -> None:
    cut, unharmed = face(664, 100, 40, 0.9), face(650, 100, 80, 0.6)
    joined = join_looks([(WHOLE, []), (LEFT, [cut]), (RIGHT, [unharmed])], 0.3)
    assert places(joined) == [(650, 0.6)]


def test_a_face_that_is_cut_by_a_tile_alone_is_none() -> None:
    cut = face(664, 100, 40, 0.9)
    assert join_looks([(LEFT, [cut])], 0.3, (1920, 1080)) == []
    assert places(join_looks([(LEFT, [cut])], 0.3, (704, 608))) == [(664, 0.9)]


def test_a_tile_does_not_cut_at_the_edge_of_the_picture() -> None:
    at_edge = face(0, 0, 60, 0.9)
    assert places(join_looks([(WHOLE, []), (LEFT, [at_edge])], 0.3)) == [(0, 0.9)]


def test_an_unsure_face_that_a_finer_look_does_not_see_is_none() -> None:
    unsure, sure = face(100, 100, 80, 0.3), face(300, 100, 80, 0.6)
    assert places(join_looks([(WHOLE, [sure, unsure]), (LEFT, [])], 0.3)) == [(300, 0.6)]
    outside = face(1400, 100, 80, 0.3)
    assert places(join_looks([(WHOLE, [outside]), (LEFT, [])], 0.3)) == [(1400, 0.3)]


def test_an_unsure_face_that_is_too_small_for_the_coarser_look_stays() -> None:
    small, large = face(100, 100, 60, 0.3), face(300, 100, 180, 0.3)
    assert places(join_looks([(WHOLE, []), (LEFT, [small, large])], 0.3)) == [(100, 0.3)]


def test_two_looks_at_the_whole_picture_do_not_contradict_each_other() -> None:
    half = Look((0, 0, 1920, 1080), (320, 192), whole=True)
    unsure, large = face(100, 100, 400, 0.3), face(900, 100, 400, 0.3)
    joined = join_looks([(WHOLE, [unsure]), (half, [large])], 0.3)
    assert sorted(places(joined)) == [(100, 0.3), (900, 0.3)]


def test_one_look_at_the_whole_picture_stays_as_it_is() -> None:
    faces = [face(100, 100, 80, 0.9), face(300, 100, 80, 0.2)]
    assert join_looks([(WHOLE, faces)], 0.3) == faces
    assert join_looks([(WHOLE, []), (LEFT, [])], 0.3) == []


HANGING = Look((0, 0, 1920, 1080), (640, 352), whole=True, quarter_turns=2)


def hanging(x: float, score: float) -> Detection:
    seen = face(x, 100, 60, score)
    return replace(seen, landmarks=2 * seen.landmarks.mean(axis=0) - seen.landmarks)


def test_what_only_a_turned_look_sees_must_be_sure() -> None:
    unsure, sure = hanging(100, 0.6), hanging(300, 0.8)
    assert places(join_looks([(WHOLE, []), (HANGING, [unsure, sure])], 0.3)) == [(300, 0.8)]
    assert places(join_looks([(HANGING, [unsure, sure])], 0.3)) == [(300, 0.8)]


def test_of_an_upright_and_a_turned_answer_the_better_one_stays() -> None:
    upright, turned = face(100, 100, 60, 0.4), hanging(102, 0.6)
    assert places(join_looks([(WHOLE, [upright]), (HANGING, [turned])], 0.3)) == [(102, 0.6)]
    better = face(100, 100, 60, 0.58)
    assert places(join_looks([(WHOLE, [better]), (HANGING, [turned])], 0.3)) == [(100, 0.6)]


def test_a_face_that_leans_must_be_seen_upright_or_be_sure() -> None:
    unsure, sure = hanging(100, 0.6), hanging(300, 0.8)
    assert places(join_looks([(WHOLE, [unsure, sure])], 0.3)) == [(100, 0.6), (300, 0.8)]
    assert places(join_looks([(WHOLE, [unsure, sure]), (HANGING, [])], 0.3)) == [(300, 0.8)]
    both = [(WHOLE, [unsure, sure]), (HANGING, [hanging(101, 0.5)])]
    assert places(join_looks(both, 0.3)) == [(300, 0.8), (101, 0.6)]


def test_the_look_in_which_a_face_stands_places_it() -> None:
    leaning, standing = hanging(100, 0.9), hanging(101, 0.8)
    assert places(join_looks([(WHOLE, [leaning]), (HANGING, [standing])], 0.3)) == [(101, 0.9)]
    assert places(join_looks([(WHOLE, [leaning]), (HANGING, [])], 0.3)) == [(100, 0.9)]
