from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfer.app.terminal.window import Action, Window, compose_grid
from streamfer.types import UInt8Array
from tests.support.keyboard import keyboard
from tests.support.screenshot import screenshot
from tests.support.xvfb import virtual_display

ROOT = Path(__file__).parents[3]
COLOUR = (200, 40, 90)


def plain(width: int, height: int, value: int) -> UInt8Array:
    return np.full((height, width, 3), value, dtype=np.uint8)


@pytest.mark.parametrize("count", [2, 3, 4, 5, 9, 16, 64])
def test_the_grid_shows_every_stream_whole(count: int) -> None:
    pictures = [plain(640, 360, 50 + i) for i in range(count)]
    grid = compose_grid(pictures, (1280, 720))
    assert grid.shape[0] <= 720
    assert grid.shape[1] <= 1280
    areas = [int((grid == 50 + i).all(axis=2).sum()) for i in range(count)]
    assert min(areas) == max(areas) > 0
    assert sum(areas) > 0.6 * grid[:, :, 0].size * count / (count + np.ceil(np.sqrt(count)))


@pytest.mark.parametrize("size_wh", [(640, 360), (360, 640), (3840, 2160), (16, 16), (1000, 20)])
def test_proportions_are_kept(size_wh: tuple[int, int]) -> None:
    grid = compose_grid([plain(*size_wh, 200), plain(640, 360, 10)], (1280, 720))
    rows, columns = np.nonzero((grid == 200).all(axis=2))
    width, height = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert width / height == pytest.approx(size_wh[0] / size_wh[1], rel=0.06)


@contextmanager
def child(display: str, streams: int) -> Iterator[subprocess.Popen[str]]:
    """A process whose window is on the screen."""
    environment = os.environ | {"DISPLAY": display, "QT_QPA_PLATFORM": "xcb"}
    command = [sys.executable, "-m", "tests.app.terminal.window_child", str(streams)]
    # Without a window manager the toolkit fails to map about one first window in ten.
    for _ in range(5):
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment
        ) as process:
            try:
                if is_shown(display, process):
                    yield process
                    return
            finally:
                process.kill()
    pytest.fail("the window never came to the screen")


def is_shown(display: str, process: subprocess.Popen[str]) -> bool:
    """Whether the child's colour comes to fill a good part of the screen."""
    for _ in range(8):
        difference = np.abs(screenshot(display, 1280, 800).astype(int) - COLOUR).max(axis=2)
        if (difference <= 4).sum() > 100_000:
            return True
        assert process.poll() is None
    return False


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_pictures_reach_the_screen_and_keys_become_actions() -> None:
    with (
        virtual_display(1280, 800) as display,
        child(display, 1) as process,
        keyboard(display) as keys,
    ):
        keys.click(100, 100)
        for keysym, action in (
            ("space", "PAUSE"),
            ("s", "SNAPSHOT"),
            ("o", "OVERLAY"),
            ("q", "QUIT"),
        ):
            keys.press(keysym)
            assert read_line(process) == action
        assert read_line(process) == "closed"
        assert process.wait(60) == 0


def test_a_window_that_its_user_closes_ends_it_as_q_does() -> None:
    with (
        virtual_display(1280, 800) as display,
        child(display, 1) as process,
        keyboard(display) as keys,
    ):
        keys.close_window("Streamfer")
        assert read_line(process) == "QUIT"
        assert read_line(process) == "closed"
        assert process.wait(60) == 0


def test_several_streams_share_the_window() -> None:
    with virtual_display(1280, 800) as display, child(display, 3):
        pass


@pytest.mark.parametrize(
    ("key", "actions"),
    [
        (ord("q"), {Action.QUIT}),
        (ord("Q"), {Action.QUIT}),
        (27, {Action.QUIT}),
        (ord("x"), set()),
        (0x100000 | ord("s"), {Action.SNAPSHOT}),  # some toolkits add their own bits
        (-1, set()),
    ],
)
def test_keys(monkeypatch: pytest.MonkeyPatch, key: int, actions: set[Action]) -> None:
    keys = iter([key, -1])
    toolkit = {
        "namedWindow": lambda *_: None,
        "resizeWindow": lambda *_: None,
        "imshow": lambda *_: None,
        "pollKey": lambda: next(keys),
        "getWindowProperty": lambda *_: 1.0,
        "getWindowImageRect": lambda *_: (0, 0, 64, 48),
    }
    for name, function in toolkit.items():
        monkeypatch.setattr(cv2, name, function)
    window = Window("Streamfer")
    window.show("cam", plain(64, 48, 1))
    assert window.poll() == actions


class Screen:
    """A window of which the size and the last picture are known."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.size_wh = (0, 0)
        self.shown = np.zeros((1, 1, 3), np.uint8)
        monkeypatch.setattr(cv2, "namedWindow", lambda *_: None)
        monkeypatch.setattr(cv2, "pollKey", lambda: -1)
        monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
        monkeypatch.setattr(cv2, "getWindowImageRect", lambda *_: (0, 0, *self.size_wh))
        monkeypatch.setattr(cv2, "resizeWindow", self._resize)
        monkeypatch.setattr(cv2, "imshow", self._show)

    def _resize(self, _: str, width: int, height: int) -> None:
        self.size_wh = (width, height)

    def _show(self, _: str, image: UInt8Array) -> None:
        self.shown = image

    def ratio(self, value: int) -> float:
        """Width by height of what has this value, as it stands on the screen."""
        rows, columns = np.nonzero((self.shown == value).all(axis=2))
        across = self.size_wh[0] / self.shown.shape[1]
        down = self.size_wh[1] / self.shown.shape[0]
        return float((np.ptp(columns) + 1) * across / ((np.ptp(rows) + 1) * down))


def test_nothing_is_stretched_whatever_joins_or_is_resized(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen, window = Screen(monkeypatch), Window("Streamfer")
    window.show("tall", plain(360, 640, 200))
    window.poll()
    assert screen.ratio(200) == pytest.approx(9 / 16, rel=0.02)
    window.show("wide", plain(1600, 900, 100))
    for size_wh in (None, None, (900, 300), (300, 900)):
        screen.size_wh = size_wh or screen.size_wh
        window.show("wide", plain(1600, 900, 100))
        window.poll()
        assert screen.ratio(200) == pytest.approx(9 / 16, rel=0.05)
        assert screen.ratio(100) == pytest.approx(16 / 9, rel=0.05)


@pytest.mark.parametrize("streams", [1, 2])
def test_a_window_opens_within_a_small_screen(
    monkeypatch: pytest.MonkeyPatch, streams: int
) -> None:
    screen, window = Screen(monkeypatch), Window("Streamfer", (1024, 600))
    for number in range(streams):
        window.show(str(number), plain(3840, 2160, 1))
    window.poll()
    assert screen.size_wh[0] < 1024
    assert screen.size_wh[1] < 600


class Toolkit:
    """A window toolkit whose only window its user closes: then it is gone, as Qt's is."""

    def __init__(self, after_polls: int) -> None:
        self._polls_left = after_polls
        self.windows = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("resizeWindow", "imshow", "destroyWindow"):
            monkeypatch.setattr(cv2, name, self._needs_window)
        monkeypatch.setattr(cv2, "namedWindow", self._open)
        monkeypatch.setattr(cv2, "pollKey", self._poll)
        monkeypatch.setattr(cv2, "getWindowImageRect", lambda *_: (0, 0, 64, 48))
        monkeypatch.setattr(cv2, "getWindowProperty", self._visible)

    def user_closes(self) -> None:
        self._polls_left = 0

    def _open(self, *_: object) -> None:
        self.windows += 1

    def _needs_window(self, *_: object) -> None:
        if self._polls_left <= 0:
            raise cv2.error("NULL guiReceiver (please create a window)")

    def _visible(self, *_: object) -> float:
        self._needs_window()
        return 1.0

    def _poll(self) -> int:
        self._polls_left -= 1
        return -1


@pytest.mark.parametrize("after_polls", [1, 2])
def test_closing_the_window_quits(monkeypatch: pytest.MonkeyPatch, after_polls: int) -> None:
    toolkit = Toolkit(after_polls)
    toolkit.install(monkeypatch)
    window = Window("Streamfer")
    for _ in range(after_polls - 1):
        window.show("cam", plain(64, 48, 1))
        assert window.poll() == set()
    window.show("cam", plain(64, 48, 1))
    assert window.poll() == {Action.QUIT}
    window.show("cam", plain(64, 48, 1))  # what was under way when it was closed
    assert window.poll() == set()
    window.close()
    assert toolkit.windows == 1


def test_a_window_closed_between_two_looks_is_not_drawn_in(monkeypatch: pytest.MonkeyPatch) -> None:
    toolkit = Toolkit(100)
    toolkit.install(monkeypatch)
    window = Window("Streamfer")
    window.show("cam", plain(64, 48, 1))
    assert window.poll() == set()
    toolkit.user_closes()
    window.show("cam", plain(64, 48, 1))
    assert window.poll() == {Action.QUIT}
    window.close()
    assert toolkit.windows == 1


def test_the_program_loads_opencv_before_pyav() -> None:
    script = (
        "import sys, streamfer.app.cli.run; print([m for m in sys.modules if m in ('av', 'cv2')])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    assert printed.strip() == "['cv2', 'av']"
