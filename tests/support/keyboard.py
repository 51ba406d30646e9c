"""Types on a virtual display."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


class Keyboard:
    """Presses keys and the mouse on an X display."""

    def __init__(self, x11: ctypes.CDLL, xtest: ctypes.CDLL, display: ctypes.c_void_p) -> None:
        self._x11, self._xtest, self._display = x11, xtest, display

    def click(self, x: int, y: int) -> None:
        """Clicks the left button at a place on the screen."""
        self._xtest.XTestFakeMotionEvent(self._display, -1, x, y, ctypes.c_ulong(0))
        for down in (1, 0):
            self._xtest.XTestFakeButtonEvent(self._display, 1, down, ctypes.c_ulong(0))
        self._x11.XSync(self._display, 0)

    def press(self, keysym: str) -> None:
        """Presses and releases a key, named as in X11: `q`, `space`."""
        symbol = self._x11.XStringToKeysym(keysym.encode())
        code = self._x11.XKeysymToKeycode(self._display, ctypes.c_ulong(symbol))
        for down in (1, 0):
            self._xtest.XTestFakeKeyEvent(self._display, code, down, ctypes.c_ulong(0))
        self._x11.XSync(self._display, 0)


@contextmanager
def keyboard(display: str) -> Iterator[Keyboard]:
    """A keyboard on a display; skips the test where X11's test library is missing."""
    try:
        x11, xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
    except OSError:
        pytest.skip("no keys can be typed: install libxtst6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    x11.XStringToKeysym.restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    try:
        yield Keyboard(x11, xtest, connection)
    finally:
        x11.XCloseDisplay(connection)
