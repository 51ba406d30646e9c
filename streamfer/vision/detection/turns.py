"""Whose turn it is among the finer looks at the pictures of a stream."""

from __future__ import annotations

from collections.abc import Sequence

import cv2

from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.detection.search_plan import Look

_CELL_PX = 8
"""Pixels squared of a tile that are averaged before it is compared with what it showed before."""
_UNCHANGED = 10
"""Difference of such an average, 0–255, up to which it is noise: of a sensor, of compression."""
_UNCHANGED_S = 4.0
"""A tile in which nothing changes is looked at again after this long: what is almost a face may be
one in other noise."""
_ROUNDING = 1e-6


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
    size = tile.network_wh[0] // _CELL_PX, tile.network_wh[1] // _CELL_PX
    return cv2.resize(tile.part_of(image), size, interpolation=cv2.INTER_AREA)


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
        self._credit = min(self._credit + len(looks) * share, float(max(most, 1)))
        count = min(int(self._credit + _ROUNDING), most)
        self._credit = max(self._credit - count, 0.0)
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
