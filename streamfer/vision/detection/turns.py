"""Whose turn it is among the finer looks at the pictures of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.detection.scaling import scale_into
from streamfer.vision.detection.search_plan import Look

_CELL_PX = 8
"""Pixels squared of a tile that are averaged before it is compared with what it showed before."""
_UNCHANGED = 10
"""Difference of such an average, 0–255, up to which it is noise: of a sensor, of compression."""
_CHANGED_CELLS = 5
"""Of three by three averages, so many changed ones may be a new face: the smallest that a tile is
searched for covers all nine. A shoulder that moves, or leaves in the wind, change fewer."""
_MARGIN = 0.25
"""Of a followed face's sides, around it, where it moves itself."""
_UNCHANGED_S = 4.0
"""A tile in which nothing changes is looked at again after this long: what is almost a face may be
one in other noise."""
_ROUNDING = 1e-6


class SearchedTiles:
    """What tiles showed when they were last looked at, so that none is searched twice for nothing.

    A new face changes the picture, be it slowly: a tile is compared with what was looked at, not
    with the last picture. Where nothing has changed but faces that are followed, every fifth turn
    or so is taken all the same.
    """

    def __init__(self) -> None:
        self._seen: dict[Look, tuple[float, UInt8Array]] = {}

    def needs_look(
        self, image: UInt8Array, time_s: float, tile: Look, followed_xyxy: FloatArray
    ) -> bool:
        """Whether a tile of this picture shows anything new.

        Args:
            image: (H, W, 3) uint8 RGB.
            time_s: its media time.
            tile: a part of it.
            followed_xyxy: (n, 4) px of the picture, the faces that are known.
        """
        if tile not in self._seen:
            return True
        looked_s, before = self._seen[tile]
        if not 0 <= time_s - looked_s < _UNCHANGED_S:
            return True
        changed = (cv2.absdiff(_sketch(image, tile), before).max(axis=2) > _UNCHANGED).view(
            np.uint8
        )
        for left, top, right, bottom in _cells(followed_xyxy, tile):
            changed[top:bottom, left:right] = 0
        around = cv2.boxFilter(changed, -1, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT)
        return bool(around.max() >= _CHANGED_CELLS)

    def note(self, image: UInt8Array, time_s: float, tiles: Sequence[Look]) -> None:
        """Remembers that tiles of a picture are looked at."""
        for tile in tiles:
            self._seen[tile] = time_s, _sketch(image, tile)


def _sketch(image: UInt8Array, tile: Look) -> UInt8Array:
    """A tile at an eighth of its size in the network's input, (h / 8, w / 8, 3) uint8."""
    width, height = (side // _CELL_PX for side in tile.network_wh)
    sketch = np.empty((height, width, 3), dtype=np.uint8)
    scale_into(sketch, tile.part_of(image))
    return sketch


def _cells(boxes_xyxy: FloatArray, tile: Look) -> list[list[int]]:
    """Where faces are in an upright tile's sketch, with what is around them: left, top, right,
    bottom. Turned looks are taken where nobody is followed."""
    margins = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * _MARGIN
    corners = np.stack([boxes_xyxy[:, :2] - margins, boxes_xyxy[:, 2:] + margins], axis=1)
    scale = np.array(tile.network_wh) / tile.region_wh / _CELL_PX
    cells = np.round((corners - tile.region_xyxy[:2]) * scale).astype(int)
    return np.maximum(cells, 0).reshape(-1, 4).tolist()


class Turns:
    """Takes looks one after the other, as many as time has gone by for."""

    def __init__(self) -> None:
        self._next = 0
        self._credit = 0.0

    def take(self, looks: Sequence[Look], share: float, most: int) -> list[Look]:
        """Those whose turn it is.

        Args:
            looks: all of them.
            share: of a whole turn that has gone by.
            most: so many at once.
        """
        if not looks:
            self._credit = 0.0
            return []
        credit = self._credit + len(looks) * share
        count = min(int(credit + _ROUNDING), most)
        self._credit = min(max(credit - count, 0.0), 1.0)  # one more, not all that were missed
        first, self._next = self._next, (self._next + count) % len(looks)
        return [looks[(first + step) % len(looks)] for step in range(count)]


def covering(tiles: Sequence[Look], boxes_xyxy: FloatArray) -> list[Look]:
    """A tile for each face that one sees."""
    chosen: list[Look] = []
    for box in boxes_xyxy:
        seeing = [tile for tile in tiles if tile.sees(box[None])[0]]
        if seeing and not any(tile in chosen for tile in seeing):
            chosen.append(seeing[0])
    return chosen
