"""One window for all streams, used by the main thread only."""

from __future__ import annotations

import math
from contextlib import suppress
from enum import Enum

import cv2
import numpy as np

from streamfer.app.terminal.display import display_available
from streamfer.types import UInt8Array
from streamfer.vision.overlay.drawing import Rect

__all__ = ["Action", "Window", "compose_grid", "display_available"]

_LARGEST_WH = (1280, 720)
"""A window opens no larger than this and can be resized."""
_SCREEN_SHARE = 0.9
"""Of a small screen's sides that a window takes at first: it has a frame and a title."""
_GAP = 2
"""Px between the tiles of several streams."""
_TILE_RATIO = 16 / 9
_ESCAPE = 27


class Action(Enum):
    """What the user asked for by a key, or by closing the window."""

    QUIT = "q"
    PAUSE = "space"
    SNAPSHOT = "s"
    OVERLAY = "o"


_ACTIONS = {
    ord("q"): Action.QUIT,
    _ESCAPE: Action.QUIT,
    ord(" "): Action.PAUSE,
    ord("s"): Action.SNAPSHOT,
    ord("o"): Action.OVERLAY,
}


class Window:
    """Shows the newest picture of every stream: one fills the window, several share a grid.

    Open it only where `display_available`.

    Args:
        title: in the window's title bar.
        screen_wh: width and height of the screen in px, where they are known.
    """

    def __init__(self, title: str, screen_wh: tuple[int, int] | None = None) -> None:
        self._title = title
        self._largest_wh = _LARGEST_WH
        if screen_wh is not None:
            width, height = (int(side * _SCREEN_SHARE) for side in screen_wh)
            self._largest_wh = min(width, _LARGEST_WH[0]), min(height, _LARGEST_WH[1])
        self._drawn = 0
        """Streams in the last drawing."""
        self._pictures: dict[str, UInt8Array] = {}
        self._changed = False
        self._open = False
        self._closed = False
        """By its user: it stays away."""

    def show(self, stream: str, image: UInt8Array) -> None:
        """Takes a stream's next picture; `poll` brings it to the screen.

        Args:
            stream: the stream's name; its first picture gives it its place.
            image: (H, W, 3) uint8 RGB.
        """
        self._pictures[stream] = image
        self._changed = True

    def poll(self) -> set[Action]:
        """Draws what is new, and returns what the user has asked for since the last call."""
        if self._closed:
            return set()
        # Asked before anything is drawn: a toolkit without its window ends the process, or opens
        # another.
        if self._open and not self._is_there():
            return self._lost()
        if self._changed:
            self._draw()
            self._changed = False
        if not self._open:
            return set()
        actions = set()
        while (key := cv2.pollKey()) != -1:
            action = _ACTIONS.get(ord(chr(key & 0xFF).lower()))
            if action is not None:
                actions.add(action)
        return actions if self._is_there() else actions | self._lost()

    def close(self) -> None:
        """Takes the window away; closing twice is fine."""
        if self._open:
            self._open = False
            with suppress(cv2.error):  # its user may have closed it just now
                cv2.destroyWindow(self._title)
                cv2.pollKey()  # lets the toolkit act on it

    def _is_there(self) -> bool:
        try:
            return cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:  # with its last window the toolkit itself may have gone
            return False

    def _lost(self) -> set[Action]:
        self._open, self._closed = False, True
        return {Action.QUIT}

    def _draw(self) -> None:
        pictures = list(self._pictures.values())
        if not self._open:
            cv2.namedWindow(self._title, cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL)
            self._open = True
        if len(pictures) != self._drawn:
            self._drawn = len(pictures)
            whole = pictures[0] if self._drawn == 1 else compose_grid(pictures, self._largest_wh)
            size_wh = _fitting(whole, self._largest_wh, enlarge=False)
            cv2.resizeWindow(self._title, *size_wh)
        else:
            # Drawn in the window's own size: toolkits stretch what has other proportions.
            size_wh = cv2.getWindowImageRect(self._title)[2:]
        if min(size_wh) <= _GAP:  # hidden, or not yet there
            return
        canvas = pictures[0] if self._drawn == 1 else compose_grid(pictures, size_wh)
        canvas = _letterboxed(canvas, size_wh)
        cv2.imshow(self._title, cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))


def _fitting(
    picture: UInt8Array, room_wh: tuple[int, int], *, enlarge: bool = True
) -> tuple[int, int]:
    """The largest width and height in px with a picture's proportions that a room has."""
    height, width = picture.shape[:2]
    scale = min(room_wh[0] / width, room_wh[1] / height)
    scale = scale if enlarge else min(scale, 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _letterboxed(picture: UInt8Array, size_wh: tuple[int, int]) -> UInt8Array:
    """A picture in the middle of a black one of a given width and height, its proportions kept."""
    if picture.shape[1::-1] == tuple(size_wh):
        return picture
    canvas = np.zeros((size_wh[1], size_wh[0], 3), dtype=np.uint8)
    _fit(canvas, picture, (0, 0, *size_wh), gap=0)
    return canvas


def compose_grid(pictures: list[UInt8Array], largest_wh: tuple[int, int]) -> UInt8Array:
    """Pictures side by side, their proportions kept, on black.

    Args:
        pictures: (H, W, 3) uint8 RGB each, of any sizes.
        largest_wh: the grid's largest width and height in px.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    columns = math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    width = min(largest_wh[0] // columns, int(largest_wh[1] / rows * _TILE_RATIO))
    height = int(width / _TILE_RATIO)
    canvas = np.zeros((rows * height, columns * width, 3), dtype=np.uint8)
    for place, picture in enumerate(pictures):
        row, column = divmod(place, columns)
        cell = (column * width, row * height, (column + 1) * width, (row + 1) * height)
        _fit(canvas, picture, cell)
    return canvas


def _fit(canvas: UInt8Array, picture: UInt8Array, cell: Rect, gap: int = _GAP) -> None:
    """Scales a picture into the middle of a cell, in place."""
    room_wh = (cell[2] - cell[0] - gap, cell[3] - cell[1] - gap)
    size = _fitting(picture, room_wh)
    method = cv2.INTER_AREA if size[0] < picture.shape[1] else cv2.INTER_LINEAR
    left = cell[0] + (cell[2] - cell[0] - size[0]) // 2
    top = cell[1] + (cell[3] - cell[1] - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(
        picture, size, interpolation=method
    )
