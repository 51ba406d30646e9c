from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from streamfer.app.web import frames as frames_module
from streamfer.app.web.frames import LiveFrame, LiveFrames, View
from tests.support.live import FakeClock
from tests.support.web import result, unpacked

TILE = View("cam", 480)
FULL = View("cam", 1280, details=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def frames(clock: FakeClock) -> LiveFrames:
    return LiveFrames(clock)


def delivered(frames: LiveFrames) -> list[LiveFrame]:
    """What will have been delivered."""
    taken: list[LiveFrame] = []
    frames.on_frame = taken.append
    return taken


def test_nothing_is_made_while_nobody_watches(
    frames: LiveFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("nobody watches")

    monkeypatch.setattr(frames_module, "_scaled", never)
    monkeypatch.setattr(frames_module, "_jpeg", never)
    taken = delivered(frames)
    frames.write(result())
    frames.watch(View("door", 480), 0)
    frames.write(result())
    frames.watch(TILE, 0)
    frames.unwatch(TILE)
    frames.write(result())
    assert not taken


def test_a_picture_is_encoded_once_for_all_and_only_when_it_is_sent(
    frames: LiveFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    real = frames_module._jpeg
    monkeypatch.setattr(
        frames_module, "_jpeg", lambda image, q: (encoded.append(image.ndim), real(image, q))[1]
    )
    taken = delivered(frames)
    frames.watch(TILE, 0)
    frames.write(result())
    assert not encoded
    assert taken[0].message() is taken[0].message()
    assert taken[0].jpeg() in taken[0].message()
    assert encoded == [3]


@pytest.mark.parametrize(
    ("size_wh", "expected"),
    [((200, 100), (100, 200)), ((4000, 2), (1, 1280)), ((2, 4000), (1280, 1))],
)
def test_pictures_are_never_made_larger_nor_vanish(
    frames: LiveFrames, size_wh: tuple[int, int], expected: tuple[int, int]
) -> None:
    taken = delivered(frames)
    frames.watch(FULL, 0)
    frames.write(result(size_wh=size_wh))
    assert taken[0].image.shape[:2] == expected


def test_a_stream_alone_comes_with_the_generator_s_drawings(frames: LiveFrames) -> None:
    taken = delivered(frames)
    frames.watch(FULL, 0)
    frames.write(result())
    record, _ = unpacked(taken[0].message())
    drawing = np.frombuffer(base64.b64decode(record["drawings"]["1"]), np.uint8)
    assert cv2.imdecode(drawing, cv2.IMREAD_GRAYSCALE).shape == (64, 64)


def test_a_rate_holds_without_bursts(frames: LiveFrames, clock: FakeClock) -> None:
    taken = delivered(frames)
    frames.watch(TILE, 1 / 8)
    frames.watch(FULL, 0)
    for index in range(100):
        frames.write(result(index=index, size_wh=(32, 16)))
        clock.now_s += 0.04 if index != 49 else 3.0
    assert [f.record["frame"] for f in taken if f.view == FULL] == list(range(100))
    tiles = [f.record["frame"] for f in taken if f.view == TILE]
    assert 30 <= len(tiles) <= 34
    assert min(np.diff(tiles)) >= 3
