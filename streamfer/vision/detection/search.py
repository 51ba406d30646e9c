"""Where to look for faces: everywhere at once, or by turns in the pictures of a stream.

In a stream a picture shows little that the last one did not. So each detection looks at the whole
picture in the coarsest size in which the faces that are followed are surely seen, and at some of
the finer looks in turn, so that within a second every place has been looked at at full size.
Everything here is a function of media time and of what was found, never of the machine's speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import box_iou
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.detection.search_plan import SURE_PX, Look, SearchPlan

_FOLLOWED_PX = 3 * SURE_PX
"""Longer side of every face that is followed, in the network's pixels, at which a coarse look is
enough: box and landmarks are then as steady as those of a finer one, or steadier."""
_SURE_SCORE = 0.7
"""Where a coarse look gives a face that is followed less than this, a finer one decides."""
_SAME_IOU = 0.3
_TURN_S = 0.8
"""Media time in which all tiles have their turn: with up to 0.33 s between two detections, no place
waits longer than 1 s."""
_QUICK_TURN_S = 0.4
"""The same where all tiles together cost little: 0.5 s, with up to 0.25 s between detections."""
_QUICK_PIXELS = 600_000
"""Pixels of all tiles up to which they cost little: those of two or three whole looks."""
_BASE_TURN_S = 0.4
"""The same of the look at the configured size, where a coarser one is enough for the others."""
_CELL_PX = 8
"""Pixels squared of a tile that are averaged before it is compared with what it showed before."""
_UNCHANGED = 10
"""Difference of such an average, 0–255, up to which it is noise: of a sensor, of compression."""
_UNCHANGED_S = 4.0
"""A tile in which nothing changes is looked at again after this long: what is almost a face may be
one in other noise."""
_ROUNDING = 1e-6


class Search(Protocol):
    """Chooses the looks at one picture."""

    def first(self, plan: SearchPlan) -> tuple[Look, ...]:
        """What to look at."""
        ...

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """Whether to look at the whole picture at the configured size too, given what was found."""
        ...


class WholeSearch:
    """Every look at once: for photographs."""

    def first(self, plan: SearchPlan) -> tuple[Look, ...]:
        """See `Search.first`."""
        return plan.complete

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """See `Search.again`."""
        return False


class EveryShape:
    """One look of every size of the network's input that may come: to make the network ready."""

    def first(self, plan: SearchPlan) -> tuple[Look, ...]:
        """See `Search.first`."""
        return tuple({look.network_wh: look for look in (*plan.whole, *plan.tiles)}.values())

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """See `Search.again`."""
        return False


class StreamSearch:
    """The looks at the pictures of one stream, by turns.

    For each detection: `begin`, then a detector calls `first` and `again`, then `looked_at` tells
    of which faces the answer says something.
    """

    def __init__(self) -> None:
        self._plan: SearchPlan | None = None
        self._image = np.empty((0, 0, 3), dtype=np.uint8)
        self._time_s = self._elapsed_s = 0.0
        self._boxes = np.empty((0, 4), dtype=np.float32)
        self._lost = np.empty(0, dtype=bool)
        self._everywhere = self._hurried = False
        self._base_turns = _Turns()
        self._tile_turns = _Turns()
        self._searched = SearchedTiles()
        self._looks: tuple[Look, ...] = ()

    def begin(
        self,
        image: UInt8Array,
        time_s: float,
        boxes_xyxy: FloatArray,
        lost: NDArray[np.bool_],
        *,
        everywhere: bool = False,
        hurried: bool = False,
    ) -> None:
        """Says what the next detection is for.

        Args:
            image: (H, W, 3) uint8 RGB, the picture.
            time_s: media time of the picture.
            boxes_xyxy: (n, 4) px, the faces that are followed.
            lost: (n,) bool, those among them of which nobody knows where they are now.
            everywhere: take every look.
            hurried: frames are being dropped: take one tile at most.
        """
        self._elapsed_s = max(time_s - self._time_s, 0.0)
        self._image, self._time_s = image, time_s
        self._boxes, self._lost = boxes_xyxy, lost
        self._everywhere, self._hurried = everywhere, hurried
        self._looks = ()

    def first(self, plan: SearchPlan) -> tuple[Look, ...]:
        """See `Search.first`."""
        if plan != self._plan:
            self._plan = plan
            self._base_turns, self._tile_turns = _Turns(), _Turns()
            self._searched = SearchedTiles()
        if self._everywhere:
            self._looks = plan.complete
        else:
            self._looks = (*self._whole_looks(plan), *self._tiles(plan))
        self._searched.note(self._image, self._time_s, [x for x in self._looks if not x.whole])
        self._image = self._image[:0]  # not kept beyond the detection
        return self._looks

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """See `Search.again`."""
        look, faces = found[0]
        followed = self._boxes[look.sees(self._boxes)]
        if plan.base in self._looks or not len(followed):
            return False
        sure = [face.box_xyxy for face in faces if face.score >= _SURE_SCORE]
        if sure and (box_iou(followed, np.stack(sure)) > _SAME_IOU).any(axis=1).all():
            return False
        self._looks += (plan.base,)
        return True

    def looked_at(self, boxes_xyxy: FloatArray) -> NDArray[np.bool_]:
        """Of which faces the last detection would have found out that they are there.

        Args:
            boxes_xyxy: (n, 4) px.

        Returns:
            (n,) bool; all of them where the detector does not know this search.
        """
        if not self._looks:
            return np.ones(len(boxes_xyxy), dtype=bool)
        return np.logical_or.reduce([look.sees(boxes_xyxy) for look in self._looks])

    def _whole_looks(self, plan: SearchPlan) -> list[Look]:
        """The coarsest one that sees what is followed, and in turn the one at the configured size.

        Both, because looks of different sizes differ by a few per cent of a face in where they
        place it: a face that now this one places and now that one jitters.
        """
        followed = self._boxes[plan.base.sees(self._boxes)]
        turn = self._base_turns.take(1, self._elapsed_s / _BASE_TURN_S, most=1)
        if not len(followed) or self._lost.any():
            return [plan.base]
        enough = [look for look in plan.whole if look.sees(followed, _FOLLOWED_PX).all()]
        coarsest = enough[-1] if enough else plan.base
        return [coarsest, plan.base] if turn and coarsest != plan.base else [coarsest]

    def _tiles(self, plan: SearchPlan) -> list[Look]:
        """Those whose turn it is, as far as something has changed there, and those in which a face
        is lost that no coarser look sees."""
        tiles = plan.tiles
        if not tiles:
            return []
        small = self._boxes[self._lost & ~plan.base.sees(self._boxes)]
        urgent = _covering(tiles, small)
        quick = sum(look.pixels for look in tiles) <= _QUICK_PIXELS
        turn_s = _QUICK_TURN_S if quick else _TURN_S
        most = 1 if self._hurried else len(tiles)
        due = self._tile_turns.take(len(tiles), self._elapsed_s / turn_s, most)
        changed = {
            place
            for place in due
            if self._searched.needs_look(self._image, self._time_s, tiles[place])
        }
        return [tiles[place] for place in sorted(urgent | changed)]


class SearchedTiles:
    """What tiles showed when they were last looked at, so that none is searched twice for nothing.

    A new face changes the picture, be it slowly: a tile is compared with what was looked at, not
    with the last picture. Where nothing has changed, every fifth turn or so is taken all the same.
    """

    def __init__(self) -> None:
        self._seen: dict[Look, tuple[float, UInt8Array]] = {}

    def needs_look(self, image: UInt8Array, time_s: float, tile: Look) -> bool:
        """Whether a tile of this picture shows anything new.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: its media time.
            tile: a part of it.
        """
        if tile not in self._seen:
            return True
        looked_s, before = self._seen[tile]
        now = _sketch(image, tile)
        return not 0 <= time_s - looked_s < _UNCHANGED_S or bool(
            cv2.absdiff(now, before).max() > _UNCHANGED
        )

    def note(self, image: UInt8Array, time_s: float, tiles: Sequence[Look]) -> None:
        """Remembers that tiles of a picture are looked at."""
        for tile in tiles:
            self._seen[tile] = time_s, _sketch(image, tile)


def _sketch(image: UInt8Array, tile: Look) -> UInt8Array:
    """A tile at an eighth of its size in the network's input, (h / 8, w / 8, 3) uint8."""
    left, top, right, bottom = tile.region_xyxy
    size = tile.network_wh[0] // _CELL_PX, tile.network_wh[1] // _CELL_PX
    return cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)


class _Turns:
    """Takes places one after the other, as many as time has gone by for."""

    def __init__(self) -> None:
        self._next = 0
        self._credit = 0.0

    def take(self, places: int, share: float, most: int) -> list[int]:
        """The places whose turn it is.

        Args:
            places: how many there are.
            share: of a whole turn that has gone by.
            most: so many at once.
        """
        self._credit = min(self._credit + places * share, float(most))
        count = int(self._credit + _ROUNDING)
        self._credit = max(self._credit - count, 0.0)
        first, self._next = self._next, (self._next + count) % places
        return [(first + step) % places for step in range(count)]


def _covering(tiles: Sequence[Look], boxes_xyxy: FloatArray) -> set[int]:
    """A tile for each face that one sees."""
    chosen: set[int] = set()
    for box in boxes_xyxy:
        seeing = [place for place, tile in enumerate(tiles) if tile.sees(box[None])[0]]
        if seeing and not chosen.intersection(seeing):
            chosen.add(seeing[0])
    return chosen
