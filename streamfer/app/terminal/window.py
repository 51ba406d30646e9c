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
    """

    def __init__(self, title: str) -> None:
        self._title = title
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
        canvas = pictures[0] if len(pictures) == 1 else compose_grid(pictures, _LARGEST_WH)
        if not self._open:
            flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
            cv2.namedWindow(self._title, flags)
            height, width = canvas.shape[:2]
            scale = min(_LARGEST_WH[0] / width, _LARGEST_WH[1] / height, 1.0)
            cv2.resizeWindow(self._title, round(width * scale), round(height * scale))
            self._open = True
        cv2.imshow(self._title, cv2.cvtColor(canvas, cv2.COLOR_RGB2BGR))


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


def _fit(canvas: UInt8Array, picture: UInt8Array, cell: Rect) -> None:
    """Scales a picture into the middle of a cell, in place."""
    room_w, room_h = cell[2] - cell[0] - _GAP, cell[3] - cell[1] - _GAP
    height, width = picture.shape[:2]
    scale = min(room_w / width, room_h / height)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left = cell[0] + (cell[2] - cell[0] - size[0]) // 2
    top = cell[1] + (cell[3] - cell[1] - size[1]) // 2
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(
        picture, size, interpolation=method
    )
