"""Which looks it takes to find every face of a picture: the whole of it small, parts of it large.

A look is one run of the network on a part of a picture at some size. What the network needs is a
face of so many pixels, so a large picture is looked at several times: as a whole at the size that
the configuration names, for the large faces; then at ever finer scales, up to its own, in tiles,
for the small ones. Tiles overlap by the largest face that the scale before may miss, so that each
face lies whole within one of them.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamfer.geometry import lean_degrees
from streamfer.types import FloatArray, UInt8Array

_STRIDE = 32
"""Coarsest feature map of the networks: their input sides are multiples of it."""
SURE_PX = 32.0
"""Longer side of a face, in pixels of the network's input, from which on a look surely sees it. Of
72 of FER2013's test faces on a texture CenterFace found 72 at 32 px, 70 at 21 px, 11 at 16 px."""
LARGEST_PX = 192.0
"""The same up to which it does: alone in a picture, 98 % of faces were found at 128 px, 92 % at
224 px, 78 % at 320 px."""
_UPRIGHT_DEG = 50.0
"""A face that leans less in the network's input is upright for it; between two turns both see it
so. Beyond, landmarks are no longer what the network was taught."""
_SCALE_STEP = 4.0
"""From one scale to the next finer one: what both surely see overlaps, as 32 · 4 < 192."""
SMALLEST_INPUT_PX = 128
"""A picture is not looked at in a smaller size; one that is smaller is enlarged to it. Of 400 of
FER2013's pictures, 48 px, 94 % had a face of score 0.5 or more at 96 px, and 97 % at 128 px."""
_WORTH_A_SCALE = 1.25
"""A scale is looked at where it is finer than the last one by more than this."""
_TILE_PX = 450_000
"""Pixels of a tile, at most: twice those of a whole look. It bounds memory, of which CenterFace
takes 260 bytes a pixel, and how long a frame waits for one."""
_PART_PX = 102_000
"""The same of a part of the picture at the configured size: half as much again as a look at half of
it, so that no frame waits much longer than another; three parts of 16:9, four of 4:3."""


_LONGEST_PX = 1280
"""Longest side of a tile or a part: TensorRT engines are made for inputs up to that."""


@dataclass(frozen=True, slots=True)
class Look:
    """One run of the network: on a part of a picture, at a size, upright or turned."""

    region_xyxy: tuple[int, int, int, int]
    """Pixels of the picture, right and bottom excluded."""
    network_wh: tuple[int, int]
    """Width and height of the network's input, multiples of 32."""
    whole: bool
    """Whether it shows the whole picture."""
    quarter_turns: int = 0
    """By how many quarters, anticlockwise, the part is turned before the network sees it: 0 to 3.
    So many quarters, clockwise, a face leans that is upright for the network."""

    @property
    def region_wh(self) -> tuple[int, int]:
        """Width and height of the part, in pixels of the picture."""
        left, top, right, bottom = self.region_xyxy
        return right - left, bottom - top

    @property
    def scale(self) -> float:
        """Pixels of the network's input per pixel of the picture, along x."""
        return self._scaled_wh[0] / self.region_wh[0]

    @property
    def pixels(self) -> int:
        """Pixels of the network's input: what it costs."""
        return self.network_wh[0] * self.network_wh[1]

    @property
    def _scaled_wh(self) -> tuple[int, int]:
        """Width and height of the part at the network's scale, not turned yet."""
        return self.network_wh[::-1] if self.quarter_turns % 2 else self.network_wh

    def part_of(self, picture: UInt8Array) -> UInt8Array:
        """What it shows of an (H, W, 3) picture, turned but not scaled; a view of it."""
        left, top, right, bottom = self.region_xyxy
        return np.rot90(picture[top:bottom, left:right], self.quarter_turns)

    def to_picture(self, points: FloatArray) -> FloatArray:
        """Where points (..., 2) of the network's input lie in the picture, in pixels."""
        width, height = self._scaled_wh
        x, y = points[..., 0], points[..., 1]
        turns = ((x, y), (width - y, x), (width - x, height - y), (y, height - x))
        scaled = np.stack(turns[self.quarter_turns], axis=-1)
        region_wh, corner = np.array([self.region_wh, self.region_xyxy[:2]], dtype=np.float32)
        factors = region_wh / np.array([width, height], dtype=np.float32)
        return np.asarray(scaled * factors + corner)

    def boxes_to_picture(self, boxes_xyxy: FloatArray) -> FloatArray:
        """The same of (n, 4) boxes."""
        corners = self.to_picture(boxes_xyxy.reshape(-1, 2, 2))
        return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)

    def shows_upright(self, landmarks: FloatArray) -> NDArray[np.bool_]:
        """Which faces are upright in the network's input, or nearly so.

        Args:
            landmarks: (n, 5, 2) px of the picture; what is not finite tells nothing and is not.
        """
        lean = lean_degrees(landmarks) - 90 * self.quarter_turns
        return np.asarray(np.abs((lean + 180) % 360 - 180) <= _UPRIGHT_DEG)

    def sees(self, boxes_xyxy: FloatArray, sure_px: float = SURE_PX) -> np.ndarray:
        """Which faces it would surely find: those within it, neither too small nor too large.

        They are taken to be upright; so a turned look is sure of none.

        Args:
            boxes_xyxy: (n, 4) px of the picture.
            sure_px: longer side, in the network's pixels, from which on a face is large enough.

        Returns:
            (n,) bool.
        """
        left, top, right, bottom = self.region_xyxy
        sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]).max(axis=1) * self.scale
        large_enough = (sides >= sure_px) & (self.quarter_turns == 0)
        if self.whole:
            return large_enough
        inside = (boxes_xyxy[:, :2] >= (left, top)) & (boxes_xyxy[:, 2:] <= (right, bottom))
        return large_enough & (sides <= LARGEST_PX) & inside.all(axis=1)


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """The looks at pictures of one size."""

    whole: tuple[Look, ...]
    """Of the whole picture: at the configured size first, then at half of it, and so on."""
    tiles: tuple[Look, ...]
    """At finer scales, those of the coarsest scale first."""
    parts: tuple[Look, ...]
    """Parts of the picture at the configured size: with the look at half of it, all that one at
    the configured size shows. Empty where there is no look at half of it."""

    @property
    def turned(self) -> tuple[Look, ...]:
        """The whole picture at the configured size, turned: for faces that lie or hang."""
        flat, upright = self.base.network_wh[::-1], self.base.network_wh
        sizes = {1: flat, 2: upright, 3: flat}
        return tuple(
            replace(self.base, network_wh=size, quarter_turns=turns)
            for turns, size in sizes.items()
        )

    @property
    def base(self) -> Look:
        """The whole picture at the configured size."""
        return self.whole[0]

    @property
    def complete(self) -> tuple[Look, ...]:
        """What finds every face that is upright, or nearly so."""
        return self.base, *self.tiles


def network_size(
    width: int, height: int, long_side: int, max_enlarge: float = 1.0
) -> tuple[int, int]:
    """(width, height) of the network's input for a picture of width × height pixels.

    Both are multiples of 32, so the picture is stretched by a few per cent; boxes are mapped back
    with a factor for each axis.
    """
    largest = max(long_side // _STRIDE, 1) * _STRIDE
    scale = min(largest / max(width, height), max_enlarge)
    wide, high = (max(round(side * scale / _STRIDE), 1) * _STRIDE for side in (width, height))
    return min(wide, largest), min(high, largest)


@functools.lru_cache(maxsize=64)
def plan_search(
    width: int,
    height: int,
    long_side: int,
    max_enlarge: float = 1.0,
    smallest_px: float | None = None,
) -> SearchPlan:
    """The looks at a picture of width × height pixels.

    Args:
        width: of the picture.
        height: of the picture.
        long_side: of the whole picture in the network's input, see `network_size`.
        max_enlarge: how far a small picture is enlarged for it.
        smallest_px: longer side of the smallest face that is searched for, in pixels of the
            picture: sets the finest scale, at most the picture's own. None: the whole picture at
            `long_side` is all.
    """
    whole = _whole_looks(width, height, long_side, max_enlarge)
    tiles: list[Look] = []
    if smallest_px is not None:
        coarser = whole[0].scale
        for scale in _finer_scales(coarser, min(1.0, SURE_PX / smallest_px)):
            tiles += _tiles(width, height, scale, SURE_PX / coarser * scale, _TILE_PX)
            coarser = scale
    parts: list[Look] = []
    if len(whole) > 1:
        scale = whole[0].scale
        parts = _tiles(width, height, scale, SURE_PX / whole[1].scale * scale, _PART_PX)
    return SearchPlan(whole, tuple(tiles), tuple(parts))


def _whole_looks(width: int, height: int, long_side: int, max_enlarge: float) -> tuple[Look, ...]:
    """At the configured size, half of it, and so on."""
    max_enlarge = max(max_enlarge, SMALLEST_INPUT_PX / max(width, height))
    sizes = [network_size(width, height, long_side, max_enlarge)]
    while (side := max(sizes[-1]) // 2) >= SMALLEST_INPUT_PX:
        sizes.append(network_size(width, height, side, max_enlarge))
    return tuple(Look((0, 0, width, height), size, whole=True) for size in sizes)


def _finer_scales(coarsest: float, finest: float) -> list[float]:
    """Scales between that of the whole look and the finest one, which is the last."""
    scales = []
    scale = finest
    while scale > coarsest * _WORTH_A_SCALE:
        scales.append(scale)
        scale /= _SCALE_STEP
    return scales[::-1]


def _tiles(width: int, height: int, scale: float, overlap_px: float, most_px: int) -> list[Look]:
    """Tiles of one size that cover the picture at a scale, at the least cost.

    Args:
        width: of the picture.
        height: of the picture.
        scale: network pixels per picture pixel.
        overlap_px: by how much neighbours overlap, in network pixels.
        most_px: pixels of each, at most.
    """
    across = _cuts(width * scale, overlap_px, most_px)
    down = _cuts(height * scale, overlap_px, most_px)
    columns, rows = min(
        ((c, r) for c in across for r in down if across[c] * down[r] <= most_px),
        key=lambda grid: (grid[0] * across[grid[0]] * grid[1] * down[grid[1]], sum(grid)),
    )
    network_wh = across[columns], down[rows]
    return [
        Look((left, top, right, bottom), network_wh, whole=False)
        for top, bottom in _spans(height, rows, network_wh[1] / scale)
        for left, right in _spans(width, columns, network_wh[0] / scale)
    ]


def _cuts(length: float, overlap_px: float, most_px: int) -> dict[int, int]:
    """Number of pieces → the side of each, a multiple of 32."""
    # One piece is stretched by a few per cent instead of padded, as the whole picture is.
    pieces = {1: max(round(length / _STRIDE), 1) * _STRIDE}
    while pieces[len(pieces)] ** 2 > most_px:
        count = len(pieces) + 1
        side = math.ceil((length + (count - 1) * overlap_px) / count / _STRIDE - 1e-6) * _STRIDE
        pieces[count] = side
    return {count: side for count, side in pieces.items() if side <= _LONGEST_PX}


def _spans(length: int, count: int, side: float) -> list[tuple[int, int]]:
    """Starts and ends of `count` pieces of a line, evenly spread from end to end."""
    piece = min(round(side), length)
    if count == 1:
        return [(0, length)]
    starts = [round(i * (length - piece) / (count - 1)) for i in range(count)]
    return [(start, start + piece) for start in starts]
