from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from streamfer.types import Detection, FloatArray
from streamfer.vision.detection.search import EveryShape, StreamSearch, WholeSearch
from streamfer.vision.detection.search_plan import Look, SearchPlan, plan_search
from tests.support.searches import HD, NO_LEAN, NOBODY, boxes, noise

HALF_HD = plan_search(960, 540, 640, 2.0, 16)
SMALL = plan_search(640, 360, 640, 2.0, 16)


@dataclass
class Stream:
    """Asks for the looks at one picture after the other."""

    plan: SearchPlan
    search: StreamSearch = field(default_factory=StreamSearch)
    calls: int = 0

    def looks(
        self,
        time_s: float,
        followed: FloatArray = NOBODY,
        lost: tuple[bool, ...] = (),
        picture: int | None = None,
        hurried: bool = False,
        stretch: float = 1.0,
        everywhere: bool = False,
        from_all_sides: bool = False,
        quarters: tuple[int, ...] = (),
    ) -> tuple[Look, ...]:
        self.calls += 1
        image = noise(self.plan, self.calls % 7 if picture is None else picture)
        is_lost = np.array(lost or [False] * len(followed), dtype=bool)
        self.search.begin(
            image,
            time_s,
            followed,
            is_lost,
            np.array(quarters or [0] * len(followed), dtype=np.intp),
            everywhere=everywhere,
            from_all_sides=from_all_sides,
            hurried=hurried,
            stretch=stretch,
        )
        return self.search.first(self.plan)


def longest_waits_s(plan: SearchPlan, interval_s: float, followed: FloatArray) -> dict[Look, float]:
    """For every look that was taken, the longest time without it."""
    stream = Stream(plan)
    times = [step * interval_s for step in range(round(4 / interval_s))]
    taken = {t: stream.looks(t, followed) for t in times}
    looks = {look for each in taken.values() for look in each}
    waits = {}
    for look in looks:
        seen = [t for t in times if look in taken[t]]
        waits[look] = float(np.diff([0.0, *seen, times[-1]]).max())
    return waits


@pytest.mark.parametrize("interval_s", [0.04, 5 / 24, 0.2, 7 / 30, 0.25, 1 / 3])
@pytest.mark.parametrize(("plan", "limit_s"), [(HD, 1.0), (HALF_HD, 0.51)])
def test_every_tile_has_its_turn(plan: SearchPlan, limit_s: float, interval_s: float) -> None:
    limit_s = max(limit_s, 2 * interval_s)
    waits = longest_waits_s(plan, interval_s, NOBODY)
    upright = {look: wait_s for look, wait_s in waits.items() if not look.quarter_turns}
    assert upright.keys() == set(plan.complete)
    assert max(upright.values()) <= limit_s + 1e-6


def test_tiles_are_spread_over_the_detections() -> None:
    stream = Stream(HD)
    counts = [len(stream.looks(k * 0.2)) for k in range(20)]
    assert counts[0] == 1
    assert set(counts[1:]) == {2, 3}


def test_where_frames_are_dropped_one_tile_at_a_time_is_searched() -> None:
    stream = Stream(HD)
    stream.looks(0.0)
    assert {len(stream.looks(k * 0.8, hurried=True)) for k in range(1, 9)} == {2}


def test_to_save_time_the_whole_picture_is_searched_in_longer_time() -> None:
    tiles = {}
    for stretch in (1.0, 4.0):
        stream = Stream(HD)
        tiles[stretch] = sum(len(stream.looks(k * 0.2, stretch=stretch)) - 1 for k in range(81))
    assert tiles[4.0] == pytest.approx(tiles[1.0] / 4, rel=0.15)


def test_so_is_it_between_two_detections() -> None:
    due = {}
    for stretch in (1.0, 4.0):
        stream = Stream(HD)
        stream.looks(0.0)
        times_s = [k / 25 for k in range(1, 101)]
        due[stretch] = 0
        for k, time_s in enumerate(times_s):
            if stream.search.tile_due(noise(HD, k % 7), time_s, stretch=stretch):
                stream.search.first(HD)
                due[stretch] += 1
    assert due[4.0] == pytest.approx(due[1.0] / 4, abs=1)


LARGE = (200, 20, 240)


def test_a_large_face_is_looked_after_in_a_coarse_look_and_the_rest_in_parts() -> None:
    large = boxes(LARGE)
    stream = Stream(SMALL)
    looks = [stream.looks(k * 0.2, large) for k in range(9)]
    assert {each[0] for each in looks} == {SMALL.whole[1]}
    assert [len(each) for each in looks] == [1, 1, 2, 2, 2, 1, 2, 2, 2]
    assert {look for each in looks for look in each[1:]} == set(SMALL.parts)
    assert max(longest_waits_s(SMALL, 7 / 30, large).values()) <= 1.0


@pytest.mark.parametrize(("plan", "followed"), [(SMALL, boxes(LARGE)), (HD, NOBODY)])
def test_no_picture_waits_for_two_looks(plan: SearchPlan, followed: FloatArray) -> None:
    stream = Stream(plan)
    taken: list[tuple[Look, ...]] = []
    for frame in range(96):
        if frame % 5 == 0:
            taken.append(stream.looks(frame / 24, followed))
        elif stream.search.tile_due(noise(plan, frame), frame / 24):
            taken.append(stream.search.first(plan))
    assert {len(looks) for looks in taken} == {1}
    finer = plan.parts if len(followed) else plan.tiles
    assert {look for (look,) in taken if not look.whole} == set(finer)
    for tile in finer:
        assert sum(looks == (tile,) for looks in taken) >= 4


def test_where_frames_are_dropped_one_tile_comes_between_two_detections() -> None:
    stream = Stream(HD)
    stream.looks(0.0)
    between = [stream.search.tile_due(noise(HD, k), k / 5, hurried=True) for k in range(1, 6)]
    assert between == [True] + [False] * 4


def test_no_tile_comes_between_where_nothing_has_changed() -> None:
    stream = Stream(HD)
    stream.looks(0.0, picture=1, everywhere=True)
    assert not any(stream.search.tile_due(noise(HD, 1), k / 5) for k in range(1, 15))


def test_a_tile_says_nothing_of_faces_that_others_look_after() -> None:
    large, landmarks = boxes(LARGE)[0], np.full((5, 2), np.nan, dtype=np.float32)
    stream = Stream(SMALL)
    stream.looks(0.0, large[None])
    assert stream.search.tile_due(noise(SMALL, 3), 0.5)
    (tile,) = stream.search.first(SMALL)
    left, top = tile.region_xyxy[:2]
    new = Detection(np.array([left, top, left + 40, top + 40], np.float32), 0.3, landmarks)
    unsure = Detection(np.array([left, top, left + 110, top + 110], np.float32), 0.3, landmarks)
    cut = Detection(np.array([230, 100, 330, 200], np.float32), 0.9, landmarks)
    assert not stream.search.looked_at(large[None]).any()
    followed = [Detection(large, 0.9, landmarks)]
    assert stream.search.new_in_tile([new, unsure, cut], followed) == [new]
    assert not stream.search.again(SMALL, [(tile, [])])


def test_a_smaller_face_besides_wants_the_configured_size() -> None:
    stream = Stream(SMALL)
    assert stream.looks(0.1, boxes((200, 20, 240), (20, 20, 80))) == (SMALL.base,)


def test_nobody_and_a_lost_face_want_the_configured_size() -> None:
    assert Stream(SMALL).looks(0.1) == (SMALL.base,)
    assert Stream(SMALL).looks(0.1, boxes((200, 20, 240)), (True,)) == (SMALL.base,)


@pytest.mark.parametrize(("score", "again"), [(0.9, False), (0.6, True)])
def test_a_followed_face_of_which_the_coarse_look_is_unsure_is_looked_at_again(
    score: float, again: bool
) -> None:
    stream = Stream(SMALL)
    large = boxes((200, 20, 240))
    (look,) = stream.looks(0.1, large)
    found = [Detection(large[0] + 5, score, np.zeros((5, 2), dtype=np.float32))]
    assert stream.search.again(SMALL, [(look, found)]) is again
    assert stream.search.again(SMALL, [(look, [])]) is (not again)


def test_a_small_face_that_is_lost_has_its_tile_searched() -> None:
    stream = Stream(HD)
    followed = boxes((100, 100, 40), (1500, 800, 40))
    looks = stream.looks(0.01, followed, (False, True))
    assert len(looks) == 2
    assert looks[1].sees(followed).tolist() == [False, True]


def test_it_says_of_which_faces_it_would_know() -> None:
    stream = Stream(HD)
    stream.looks(0.01)
    assert stream.search.looked_at(boxes((100, 100, 40), (100, 100, 120))).tolist() == [False, True]
    stream.looks(0.01, everywhere=True)
    assert stream.search.looked_at(boxes((100, 100, 40), (100, 100, 120))).all()


def test_a_detector_that_looks_everywhere_knows_of_all() -> None:
    search = StreamSearch()
    search.begin(noise(HD, 0), 0.0, NOBODY, *NO_LEAN)
    assert search.looked_at(boxes((100, 100, 40))).all()


def test_a_tile_in_which_nothing_changes_is_searched_every_few_seconds_only() -> None:
    stream = Stream(HD)
    stream.looks(0.0, picture=1, everywhere=True)
    tiles = {t: len(stream.looks(t, picture=1)) - 1 for t in np.arange(0.2, 8, 0.2).tolist()}
    assert sum(count for t, count in tiles.items() if t < 3.9) == 0
    assert sum(tiles.values()) == len(HD.tiles)
    assert len(stream.looks(8.0, picture=2)) > 1


def test_photographs_are_looked_at_everywhere_at_once() -> None:
    assert WholeSearch().first(HD) == (HD.base, *HD.tiles)
    assert not WholeSearch().again(HD, [(HD.base, [])])


def test_to_make_a_network_ready_each_size_is_run_once() -> None:
    looks = EveryShape().first(HD)
    sizes = [look.network_wh for look in looks]
    assert len(sizes) == len(set(sizes)) == len(HD.whole) + 3
    assert not EveryShape().again(HD, [(look, []) for look in looks])


def test_a_picture_may_be_looked_at_from_all_sides() -> None:
    looks = Stream(HD).looks(0.0, everywhere=True, from_all_sides=True)
    assert looks == (*HD.complete, *HD.turned)


@pytest.mark.parametrize("interval_s", [0.04, 0.2])
def test_where_nobody_is_followed_turned_looks_have_their_turn(interval_s: float) -> None:
    waits = longest_waits_s(SMALL, interval_s, NOBODY)
    assert set(SMALL.turned) <= waits.keys()
    assert max(waits.values()) <= 3.2


def test_where_somebody_is_followed_or_frames_are_dropped_they_have_not() -> None:
    assert not set(SMALL.turned) & longest_waits_s(SMALL, 0.2, boxes(LARGE)).keys()
    stream = Stream(SMALL)
    for step in range(20):
        assert not set(SMALL.turned) & set(stream.looks(0.2 * step, hurried=True))


def test_who_leans_is_looked_after_in_the_turned_picture_too() -> None:
    two = boxes(LARGE, (20, 20, 100))
    stream = Stream(SMALL)
    looks = [stream.looks(0.2 * step, two, quarters=(0, 3)) for step in range(5)]
    sides = {look.quarter_turns: look for look in SMALL.turned}
    assert all(sides[3] in each and sides[1] not in each for each in looks)


def test_no_tile_of_a_picture_that_has_another_size_now() -> None:
    stream = Stream(HD)
    stream.looks(0.0)
    assert stream.search.tile_due(noise(HD, 1), 0.5)
    assert not stream.search.tile_due(noise(SMALL, 1), 1.0)


def test_no_picture_is_kept_once_it_has_been_looked_at() -> None:
    stream = Stream(HD)
    kept: list[weakref.ref[Any]] = []
    for number in range(3):
        image = np.array(noise(HD, number))
        kept.append(weakref.ref(image))
        stream.search.begin(image, float(number), NOBODY, *NO_LEAN)
        stream.search.first(HD)
        between = np.array(noise(HD, number))
        kept.append(weakref.ref(between))
        if stream.search.tile_due(between, number + 0.001):
            stream.search.first(HD)
        del image, between
    assert [ref() for ref in kept] == [None] * len(kept)
