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

    def close_window(self, title: str) -> None:
        """Asks a window to close, as Alt+F4 and its X do."""
        protocols, delete = (
            self._x11.XInternAtom(self._display, name, 0)
            for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
        )
        window = self._window(self._x11.XDefaultRootWindow(self._display), title.encode())
        assert window is not None
        message = _ClientMessage(33, 0, 1, None, window, protocols, 32, (delete, 0, 0, 0, 0))
        self._x11.XSendEvent(
            self._display, ctypes.c_ulong(window), 0, ctypes.c_long(0), ctypes.byref(message)
        )
        self._x11.XSync(self._display, 0)

    def _window(self, parent: int, title: bytes) -> int | None:
        """The window of a title below another."""
        root, above, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        below = ctypes.POINTER(ctypes.c_ulong)()
        outputs = (ctypes.byref(value) for value in (root, above, below, count))
        self._x11.XQueryTree(self._display, ctypes.c_ulong(parent), *outputs)
        for window in below[: count.value]:
            name = ctypes.c_char_p()
            self._x11.XFetchName(self._display, ctypes.c_ulong(window), ctypes.byref(name))
            found = window if name.value == title else self._window(window, title)
            if found is not None:
                return found
        return None


class _ClientMessage(ctypes.Structure):
    """`XClientMessageEvent`, padded to the size of an `XEvent`."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("content", ctypes.c_long * 5),
        ("padding", ctypes.c_long * 12),
    )


@contextmanager
def keyboard(display: str) -> Iterator[Keyboard]:
    """A keyboard on a display; skips the test where X11's test library is missing."""
    try:
        x11, xtest = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
    except OSError:
        pytest.skip("no keys can be typed: install libxtst6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    for name in ("XStringToKeysym", "XInternAtom", "XDefaultRootWindow"):
        getattr(x11, name).restype = ctypes.c_ulong
    connection = ctypes.c_void_p(x11.XOpenDisplay(display.encode()))
    try:
        yield Keyboard(x11, xtest, connection)
    finally:
        x11.XCloseDisplay(connection)
