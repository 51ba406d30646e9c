"""Where to look for faces: everywhere at once, or by turns in the pictures of a stream.

In a stream a picture shows little that the last one did not. So each detection looks at the whole
picture in the coarsest size in which the faces that are followed are surely seen, and the finer
looks have their turn in the pictures between, so that within a second every place has been looked
at at full size, and no picture waits for two looks. Everything here is a function of media time
and of what was found, never of the machine's speed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import box_iou
from streamfer.types import Detection, FloatArray, UInt8Array
from streamfer.vision.detection.search_plan import SURE_PX, Look, SearchPlan
from streamfer.vision.detection.suppression import on_same_head, unsure_of
from streamfer.vision.detection.turns import SearchedTiles, Turns, covering

_FOLLOWED_PX = 3 * SURE_PX
"""Longer side of every face that is followed, in the network's pixels, at which a coarse look is
enough: box and landmarks are then as steady as those of a finer one, or steadier."""
_SURE_SCORE = 0.7
"""Where a coarse look gives a face that is followed less than this, a finer one decides."""
_SAME_IOU = 0.3
_TURN_S = 0.8
"""Media time in which all tiles, or all parts, have their turn: with up to 0.33 s between two
pictures, no place waits longer than 1 s."""
_QUICK_TURN_S = 0.4
"""The same of tiles that cost little together: 0.5 s, with up to 0.25 s between pictures."""
_TURNED_TURN_S = 3.0
"""Media time in which the picture is looked at from all sides while nobody is followed in it: few
cameras hang upside down, but those do so all the time."""
_NO_IMAGE = np.empty((0, 0, 3), dtype=np.uint8)
_QUICK_PIXELS = 600_000
"""Pixels of all tiles up to which they cost little: those of two or three whole looks."""


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
        return tuple(
            {
                look.network_wh: look
                for look in (*plan.turned, *plan.whole, *plan.parts, *plan.tiles)
            }.values()
        )

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """See `Search.again`."""
        return False


class StreamSearch:
    """The looks at the pictures of one stream, by turns.

    In each picture in which the faces are to be looked after: `begin`, then a detector calls
    `first` and `again`, then `looked_at` tells of which faces the answer says something. In the
    pictures between, `tile_due` says whether a detector is to search a tile, in the same way.
    """

    def __init__(self) -> None:
        self._plan: SearchPlan | None = None
        self._image = _NO_IMAGE
        self._time_s = self._turned_s = 0.0
        self._boxes = np.empty((0, 4), dtype=np.float32)
        self._lost = np.empty(0, dtype=bool)
        self._leaning = np.empty(0, dtype=np.intp)
        self._everywhere = self._from_all_sides = self._hurried = False
        self._stretch = 1.0
        self._part_turns = Turns()
        self._tile_turns = Turns()
        self._side_turns = Turns()
        self._searched = SearchedTiles()
        self._whole: Look | None = None
        """By which the faces were last looked after."""
        self._between = 0
        """Pictures since then."""
        self._tiles: list[Look] = []
        """What is to be searched in a picture between."""
        self._looks: tuple[Look, ...] = ()

    def begin(
        self,
        image: UInt8Array,
        time_s: float,
        boxes_xyxy: FloatArray,
        lost: NDArray[np.bool_],
        quarter_turns: NDArray[np.intp],
        *,
        everywhere: bool = False,
        from_all_sides: bool = False,
        hurried: bool = False,
        stretch: float = 1.0,
    ) -> None:
        """Says what the next detection is for.

        Args:
            image: (H, W, 3) uint8 RGB, the picture.
            time_s: media time of the picture.
            boxes_xyxy: (n, 4) px, the faces that are followed.
            lost: (n,) bool, those among them of which nobody knows where they are now.
            quarter_turns: (n,) 0 to 3, by how many quarters, clockwise, each of them leans.
            everywhere: take every look at the upright picture.
            from_all_sides: take those at the turned picture, too.
            hurried: frames are being dropped: take one tile at most.
            stretch: in how many times as long as else the whole picture is searched.
        """
        self._image, self._time_s = image, time_s
        self._boxes, self._lost = boxes_xyxy, lost
        self._leaning = quarter_turns
        self._everywhere, self._hurried = everywhere, hurried
        self._from_all_sides = from_all_sides
        self._stretch = stretch
        self._tiles = []
        self._looks = ()

    def tile_due(
        self, image: UInt8Array, time_s: float, *, hurried: bool = False, stretch: float = 1.0
    ) -> bool:
        """Whether a detector is to search a tile in a picture between; asked once for each.

        Args:
            image: (H, W, 3) uint8 RGB, the picture.
            time_s: media time of the picture.
            hurried: frames are being dropped: one tile until the faces are looked after again.
            stretch: in how many times as long as else the whole picture is searched.
        """
        if self._plan is None or (hurried and self._between):
            return False
        if self._plan.base.region_wh != image.shape[1::-1]:
            return False  # the tiles are those of another size
        self._between += 1
        self._image, self._time_s, self._hurried = image, time_s, hurried
        self._stretch = stretch
        self._tiles = self._whose_turn(self._plan)
        self._looks = ()
        if not self._tiles:
            self._image = _NO_IMAGE
        return bool(self._tiles)

    def first(self, plan: SearchPlan) -> tuple[Look, ...]:
        """See `Search.first`."""
        if plan != self._plan:
            self._plan = plan
            self._part_turns, self._tile_turns, self._side_turns = Turns(), Turns(), Turns()
            self._searched = SearchedTiles()
            self._tiles, self._between = [], 0
            self._turned_s = self._time_s
        if self._tiles:
            self._looks = tuple(self._tiles)
        else:
            self._looks = self._look_after(plan)
        searched = [look for look in self._looks if not look.whole or look.quarter_turns]
        self._searched.note(self._image, self._time_s, searched)
        self._image = _NO_IMAGE  # not kept beyond the detection
        return self._looks

    def again(self, plan: SearchPlan, found: Sequence[tuple[Look, Sequence[Detection]]]) -> bool:
        """See `Search.again`."""
        look, faces = found[0]
        followed = self._boxes[look.sees(self._boxes)]
        if not look.whole or plan.base in self._looks or not len(followed):
            return False
        sure = [face.box_xyxy for face in faces if face.score >= _SURE_SCORE]
        if sure and (box_iou(followed, np.stack(sure)) > _SAME_IOU).any(axis=1).all():
            return False
        self._looks += (plan.base,)
        return True

    def looked_at(self, boxes_xyxy: FloatArray) -> NDArray[np.bool_]:
        """Of which faces the last detection would have found out that they are there.

        Looks of different sizes differ by a few per cent of a face in where they place it: a face
        that now this one places and now that one jitters. So a tile has no say of those that the
        look at the whole picture sees.

        Args:
            boxes_xyxy: (n, 4) px.

        Returns:
            (n,) bool; all of them where the detector does not know this search.
        """
        if not self._looks:
            return np.ones(len(boxes_xyxy), dtype=bool)
        seen = np.logical_or.reduce([look.sees(boxes_xyxy) for look in self._looks])
        if self._whole is not None and self._whole not in self._looks:
            seen &= ~self._whole.sees(boxes_xyxy)
        return np.asarray(seen, dtype=bool)

    def new_in_tile(
        self, found: Sequence[Detection], followed: Sequence[Detection]
    ) -> list[Detection]:
        """What a tile has to say: nothing of faces that are not its concern.

        Args:
            found: in this picture.
            followed: where the faces that are followed are in it.
        """
        boxes = np.array([face.box_xyxy for face in followed], dtype=np.float32).reshape(-1, 4)
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0)
        large = sides * max(look.scale for look in self._looks) >= SURE_PX
        others = [followed[i] for i in np.flatnonzero(large & ~self.looked_at(boxes)).tolist()]
        return [
            face
            for face in found
            if not (self._whole is not None and unsure_of(face, self._whole))
            and not any(on_same_head(face, other) for other in others)
        ]

    @property
    def pixels(self) -> int:
        """Of the network's input in the looks that it chose for the last detection."""
        return sum(look.pixels for look in self._looks)

    def _look_after(self, plan: SearchPlan) -> tuple[Look, ...]:
        """A look at the whole picture, and what it takes besides."""
        if self._everywhere:
            self._whole, tiles = plan.base, list(plan.tiles)
        else:
            self._whole = self._whole_look(plan)
            small = self._boxes[self._lost & ~plan.base.sees(self._boxes)]
            tiles = covering(plan.tiles, small)
            if not self._between:  # there may be no pictures between
                tiles += [tile for tile in self._whose_turn(plan) if tile not in tiles]
        self._between = 0
        return self._whole, *tiles, *self._turned_looks(plan, tiles)

    def _turned_looks(self, plan: SearchPlan, others: Sequence[Look]) -> list[Look]:
        """Those at the turned picture in which followed faces are upright, or whose turn it is."""
        if self._from_all_sides:
            return list(plan.turned)
        return [
            look
            for look in plan.turned
            if look not in others and look.quarter_turns in self._leaning
        ]

    def _whole_look(self, plan: SearchPlan) -> Look:
        """The coarsest one that sees what is followed."""
        followed = self._boxes[plan.base.sees(self._boxes)]
        if not len(followed) or self._lost.any():
            return plan.base
        enough = [look for look in plan.whole if look.sees(followed, _FOLLOWED_PX).all()]
        return enough[-1] if enough else plan.base

    def _whose_turn(self, plan: SearchPlan) -> list[Look]:
        """Tiles whose turn it is, or else a part, as far as something has changed there."""
        elapsed_s = max(self._time_s - self._turned_s, 0.0) / self._stretch
        self._turned_s = self._time_s
        quick = sum(look.pixels for look in plan.tiles) <= _QUICK_PIXELS
        tiles = self._tile_turns.take(
            plan.tiles,
            elapsed_s / (_QUICK_TURN_S if quick else _TURN_S),
            1 if self._hurried else len(plan.tiles),
        )
        parts = () if self._whole == plan.base else plan.parts
        chosen = tiles + self._part_turns.take(parts, elapsed_s / _TURN_S, 0 if tiles else 1)
        sides = () if len(self._boxes) or self._hurried else plan.turned
        chosen += self._side_turns.take(sides, elapsed_s / _TURNED_TURN_S, 0 if chosen else 1)
        known = self._boxes[~self._lost]
        return [
            tile
            for tile in chosen
            if self._searched.needs_look(self._image, self._time_s, tile, known)
        ]
