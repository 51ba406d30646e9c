"""What has changed enough to be searched again."""

from __future__ import annotations

import numpy as np

from streamfer.types import FloatArray
from streamfer.vision.detection.search import StreamSearch
from streamfer.vision.detection.search_plan import plan_search
from streamfer.vision.detection.turns import SearchedTiles
from tests.support.searches import HD, NO_LEAN, NOBODY, boxes, noise


def test_a_slow_change_is_one_too() -> None:
    search = StreamSearch()
    image = np.full((1080, 1920, 3), 100, dtype=np.uint8)
    search.begin(image, 0.0, NOBODY, *NO_LEAN, everywhere=True)
    search.first(HD)
    counts = []
    for step in range(1, 16):
        image = image.copy()
        image[500:530, 900:930] += 1
        search.begin(image, 0.2 * step, NOBODY, *NO_LEAN)
        counts.append(len(search.first(HD)) - 1)
    assert sum(counts[:10]) == 0
    assert sum(counts[10:]) >= 1


def later_tiles(drawn: tuple[slice, slice], followed: FloatArray, lost: bool) -> int:
    """How many tiles are searched within three seconds after something has changed there."""
    search, image = StreamSearch(), noise(HD, 0)
    is_lost, upright = np.full(len(followed), lost), np.zeros(len(followed), dtype=np.intp)
    search.begin(image, 0.0, followed, is_lost, upright, everywhere=True)
    search.first(HD)
    image = image.copy()
    image[drawn] = 255 - image[drawn]
    count = 0
    for step in range(1, 16):
        search.begin(image, 0.2 * step, followed, is_lost, upright)
        count += sum(not look.whole for look in search.first(HD))
    return count


def test_what_changes_within_a_face_that_is_followed_is_no_new_one() -> None:
    place, face = (slice(480, 600), slice(880, 1000)), boxes((880, 480, 120))
    assert later_tiles(place, NOBODY, lost=False) >= 1
    assert later_tiles(place, face, lost=False) == 0
    assert later_tiles(place, boxes((880, 300, 120)), lost=False) >= 1
    assert later_tiles(place, face, lost=True) >= 1  # nobody knows where that is


def test_what_is_narrower_than_a_face_is_none() -> None:
    assert later_tiles((slice(480, 600), slice(880, 884)), NOBODY, lost=False) == 0
    assert later_tiles((slice(480, 500), slice(880, 900)), NOBODY, lost=False) >= 1


def test_a_followed_face_is_found_in_a_tile_that_is_stretched() -> None:
    plan = plan_search(1960, 60, 640, 2.0, 16)
    tile = next(part for part in plan.parts if part.network_wh[1] / 60 > 1.4 * part.scale)
    before = noise(plan, 0)
    after = before.copy()
    after[5:55, 300:350] ^= 255
    searched = SearchedTiles()
    searched.note(before, 0.0, [tile])
    assert searched.needs_look(after, 0.2, tile, NOBODY)
    assert not searched.needs_look(after, 0.2, tile, boxes((300, 5, 50)))
