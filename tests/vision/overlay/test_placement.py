from __future__ import annotations

import pytest

from streamfer.vision.overlay.drawing import Rect
from streamfer.vision.overlay.placement import (
    Choice,
    cheapest,
    clamp_into,
    overlap,
    panel_candidates,
    tag_candidates,
)

AREA: Rect = (0, 0, 640, 340)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (5, 5, 15, 15), 25),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0),
        ((0, 0, 10, 10), (12, 12, 20, 20), 0),
        ((0, 0, 10, 10), (2, 3, 4, 5), 4),
    ],
)
def test_overlap(a: Rect, b: Rect, expected: int) -> None:
    assert overlap(a, b) == overlap(b, a) == expected


@pytest.mark.parametrize(
    ("rect", "expected"),
    [
        ((-5, -5, 5, 5), (0, 0, 10, 10)),
        ((638, 335, 648, 345), (630, 330, 640, 340)),
        ((10, 20, 30, 40), (10, 20, 30, 40)),
    ],
)
def test_clamping_moves_but_does_not_resize(rect: Rect, expected: Rect) -> None:
    assert clamp_into(rect, AREA) == expected


@pytest.mark.parametrize(
    ("box", "side"),
    [
        ((100, 50, 200, 170), "right"),
        ((530, 50, 630, 170), "left"),
        ((20, 10, 620, 150), "below"),
        ((20, 180, 620, 335), "above"),
    ],
)
def test_a_panel_stands_where_there_is_room(box: Rect, side: str) -> None:
    spot = cheapest(panel_candidates(box, [(110, 120)], AREA, 5), [box], [], None)
    assert spot is not None
    assert spot.choice == Choice(0, side)
    assert overlap(spot.rect, box) == 0


def test_a_smaller_variant_is_used_where_the_large_one_would_hide_a_face() -> None:
    box, left, right = (300, 100, 400, 220), (190, 0, 270, 340), (430, 0, 520, 340)
    faces = [box, left, right]
    candidates = panel_candidates(box, [(110, 130), (20, 60)], AREA, 5)
    spot = cheapest(candidates, faces, [], None)
    assert spot is not None
    assert spot.choice.variant == 1
    assert not any(overlap(spot.rect, face) for face in faces)


def test_what_does_not_fit_the_picture_is_not_placed() -> None:
    assert panel_candidates((0, 0, 5, 5), [(700, 10)], AREA, 5) == []
    assert tag_candidates((0, 0, 5, 5), [(10, 400)], AREA) == []
    assert cheapest([], [], [], None) is None


def test_a_tag_at_the_top_edge_moves_under_or_into_the_box() -> None:
    spot = cheapest(tag_candidates((100, 0, 200, 120), [(60, 16)], AREA), [], [], None)
    assert spot is not None
    assert spot.rect[1] >= 0


def test_what_was_chosen_before_stays_until_something_is_clearly_better() -> None:
    box = (100, 50, 200, 170)
    candidates = panel_candidates(box, [(110, 120)], (-200, 0, 640, 340), 5)
    left = Choice(0, "left")
    stays = cheapest(candidates, [box], [], left)
    assert stays is not None
    assert stays.choice == left
    covered = next(c.rect for c in candidates if c.choice == left)
    moves = cheapest(candidates, [box], [covered], left)
    assert moves is not None
    assert moves.choice == Choice(0, "right")
