from __future__ import annotations

import itertools

import numpy as np
import pytest

from streamfer.runtime.backends.tensorrt_build import SIDE
from streamfer.vision.detection.search_plan import (
    LARGEST_PX,
    SURE_PX,
    Look,
    network_size,
    plan_search,
)


@pytest.mark.parametrize(
    ("width", "height", "long_side", "max_enlarge", "expected"),
    [
        (640, 360, 640, 1.0, (640, 352)),
        (1920, 1080, 640, 1.0, (640, 352)),
        (1080, 1920, 640, 1.0, (352, 640)),
        (320, 180, 640, 1.0, (320, 192)),
        (320, 180, 640, 2.0, (640, 352)),
        (100, 100, 640, 2.0, (192, 192)),
        (4000, 10, 640, 2.0, (640, 32)),
        (1, 1, 640, 2.0, (32, 32)),
        (1920, 1080, 700, 1.0, (672, 384)),
        (640, 480, 20, 1.0, (32, 32)),
    ],
)
def test_network_size(
    width: int, height: int, long_side: int, max_enlarge: float, expected: tuple[int, int]
) -> None:
    assert network_size(width, height, long_side, max_enlarge) == expected


@pytest.mark.parametrize(
    ("size", "long_side", "expected"),
    [
        ((48, 48), 640, (128, 128)),
        ((60, 30), 640, (128, 64)),
        ((64, 64), 640, (128, 128)),
        ((80, 80), 640, (160, 160)),
        ((48, 48), 96, (96, 96)),
    ],
)
def test_small_pictures_are_enlarged_to_what_the_network_needs(
    size: tuple[int, int], long_side: int, expected: tuple[int, int]
) -> None:
    assert plan_search(*size, long_side, 2.0, 16).base.network_wh == expected


SIZES = [(1920, 1080), (1080, 1920), (960, 540), (1000, 667), (3840, 2160), (6000, 400), (1, 5000)]


@pytest.mark.parametrize("size", SIZES)
def test_every_face_lies_whole_in_a_look_that_surely_sees_it(size: tuple[int, int]) -> None:
    width, height = size
    looks = plan_search(width, height, 640, 2.0, 16).complete
    for side in (33, 48, 97, 130, 300, 500):
        side = min(side, width, height)
        rights = np.linspace(side, width, 40)
        bottoms = np.linspace(side, height, 40)
        boxes = np.array(
            [(x - side, y - side, x, y) for x, y in itertools.product(rights, bottoms)], np.float32
        )
        seen = np.logical_or.reduce([look.sees(boxes) for look in looks])
        assert seen.all() or side < SURE_PX


@pytest.mark.parametrize("size", SIZES)
def test_tiles_are_bounded_and_lie_in_the_picture(size: tuple[int, int]) -> None:
    for look in plan_search(*size, 640, 2.0, 16).complete:
        left, top, right, bottom = look.region_xyxy
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert look.network_wh[0] % 32 == look.network_wh[1] % 32 == 0
        assert look.pixels <= 450_000


def test_the_tiles_of_an_hd_picture_cost_a_quarter_more_than_the_picture() -> None:
    plan = plan_search(1920, 1080, 640, 2.0, 16)
    assert plan.base.network_wh == (640, 352)
    assert {tile.scale for tile in plan.tiles} == {1.0}
    assert sum(tile.pixels for tile in plan.tiles) < 1.25 * 1920 * 1080


def test_a_small_picture_needs_no_tiles() -> None:
    assert plan_search(640, 360, 640, 2.0, 16).tiles == ()
    assert plan_search(800, 450, 640, 2.0, 16).tiles == ()


def test_the_smallest_face_that_is_wanted_sets_the_finest_scale() -> None:
    fine, coarse, none = (plan_search(1920, 1080, 640, 2.0, px) for px in (32, 64, 96))
    assert sum(tile.pixels for tile in coarse.tiles) < sum(tile.pixels for tile in fine.tiles) / 2
    assert none.tiles == ()


def test_without_a_smallest_face_the_whole_picture_is_all() -> None:
    plan = plan_search(1920, 1080, 1280)
    assert plan.complete == (plan.base,)
    assert [look.network_wh for look in plan.whole] == [
        (1280, 704),
        (640, 352),
        (320, 192),
        (160, 96),
    ]


def test_what_a_look_sees() -> None:
    tile = Look((100, 0, 500, 400), (800, 800), whole=False)
    sides = np.array([15, 17, 95, 97], dtype=np.float32)
    boxes = np.stack([sides * 0 + 200, sides * 0 + 100, 200 + sides, 100 + sides], axis=1)
    assert tile.sees(boxes).tolist() == [False, True, True, False]
    assert (LARGEST_PX, SURE_PX) == (192, 32)
    assert not tile.sees(np.array([[90, 100, 130, 140]], dtype=np.float32))[0]
    whole = Look((0, 0, 500, 400), (512, 416), whole=True)
    assert whole.sees(np.array([[0, 0, 400, 400]], dtype=np.float32))[0]


@pytest.mark.parametrize("place", range(4))
def test_what_a_turned_look_shows_is_found_again_in_the_picture(place: int) -> None:
    plan = plan_search(400, 200, 400, 1.0, 16)
    look = (plan.base, *plan.turned)[place]
    assert look.quarter_turns == place
    picture = np.zeros((200, 400, 3), dtype=np.uint8)
    picture[50:60, 300:340] = 255
    shown = look.part_of(picture)
    assert shown.shape[:2] == ((400, 200) if place % 2 else (200, 400))
    rows, columns = np.nonzero(shown[:, :, 0])
    low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
    to_network = np.array(look.network_wh, np.float32) / shown.shape[1::-1]
    box = np.concatenate([low * to_network, high * to_network]).astype(np.float32)
    np.testing.assert_allclose(look.boxes_to_picture(box[None]), [[300, 50, 340, 60]], atol=1e-3)
    # The top of what is shown lies to the right of the picture if that is turned anticlockwise.
    top = look.to_picture(np.array([[look.network_wh[0] / 2, 0]], np.float32))
    middle = [[(200, 0), (400, 100), (200, 200), (0, 100)][place]]
    np.testing.assert_allclose(top, middle, atol=1e-3)


def test_a_turned_look_is_sure_of_no_upright_face() -> None:
    plan = plan_search(640, 360, 640, 2.0, 16)
    face = np.array([[100, 100, 200, 200]], dtype=np.float32)
    assert plan.base.sees(face)[0]
    assert not any(look.sees(face)[0] for look in plan.turned)
    assert plan.base.scale == pytest.approx(plan.turned[0].scale)


@pytest.mark.parametrize("size", [(1920, 200), (200, 1920), (2560, 144), (8000, 20), (1920, 1080)])
def test_no_piece_is_longer_than_engines_are_made_for(size: tuple[int, int]) -> None:
    plan = plan_search(*size, 640, 2.0, 16)
    assert max(max(look.network_wh) for look in (*plan.tiles, *plan.parts)) <= SIDE.largest
