from __future__ import annotations

import cv2
import numpy as np

from streamfer.app.web.frames import LiveFrame, LiveFrames, View
from streamfer.types import FrameResult, StreamEvent
from tests.support.analysed import make_frame, make_result

TILE = View("cam", 120)
FULL = View("cam", None)


class Desk:
    """Frames with a clock of their own."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.got: list[LiveFrame] = []
        self.frames = LiveFrames(lambda: self.now_s)
        self.frames.on_frame = self.got.append

    def write(self, *results: FrameResult, step_s: float = 0.0) -> None:
        for result in results:
            self.frames.write(result)
            self.now_s += step_s


def result(index: int, faces: int = 1) -> FrameResult:
    return make_result(index, faces, stream="cam")


def test_what_nobody_watches_costs_nothing() -> None:
    desk = Desk()
    desk.write(result(0))
    desk.frames.watch(View("door"), 0.0)
    desk.write(result(1))
    assert desk.got == []


def test_a_tile_is_a_small_copy_with_the_frame_s_own_record() -> None:
    desk = Desk()
    desk.frames.watch(TILE, 0.0)
    shown = make_result(7, 2, stream="cam", image=np.full((180, 240, 3), 9, np.uint8))
    desk.write(shown)
    (frame,) = desk.got
    assert frame.image.shape == (90, 120, 3)
    assert not np.shares_memory(frame.image, shown.frame.image)
    assert (frame.record["frame"], len(frame.record["faces"])) == (7, 2)
    assert (frame.record["width"], frame.record["height"]) == (240, 180)
    assert "drawings" not in frame.record


def test_no_more_frames_than_were_asked_for() -> None:
    desk = Desk()
    desk.frames.watch(TILE, 0.125)
    desk.frames.watch(FULL, 0.0)
    desk.write(*(result(i) for i in range(20)), step_s=0.03125)
    tiles = [f.record["frame"] for f in desk.got if f.view == TILE]
    assert tiles == [0, 4, 8, 12, 16]
    assert [f.record["frame"] for f in desk.got if f.view == FULL] == list(range(20))


def test_unwatched_means_unwatched() -> None:
    desk = Desk()
    desk.frames.watch(TILE, 0.0)
    desk.write(result(0))
    desk.frames.unwatch(TILE)
    desk.frames.unwatch(TILE)
    desk.write(result(1))
    assert [f.record["frame"] for f in desk.got] == [0]


def test_the_overlay_is_drawn_into_the_copy_alone() -> None:
    desk = Desk()
    desk.frames.watch(View("cam", drawn=True), 0.0)
    shown = result(0)
    before = shown.frame.image.copy()
    desk.write(shown)
    np.testing.assert_array_equal(shown.frame.image, before)
    assert (desk.got[0].image != before).any()


def test_a_jpeg_is_the_picture() -> None:
    frame = make_frame(0, np.full((60, 80, 3), (200, 30, 30), np.uint8), stream="cam")
    desk = Desk()
    desk.frames.watch(FULL, 0.0)
    desk.write(FrameResult(frame, ()))
    data = desk.got[0].jpeg()
    assert desk.got[0].jpeg() is data  # encoded once for all who get it
    decoded = cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), 1), cv2.COLOR_BGR2RGB)
    assert np.abs(decoded.astype(int) - frame.image).max() < 12


def test_events_are_handed_on() -> None:
    desk, events = Desk(), []
    desk.frames.on_event = events.append
    desk.frames.event(StreamEvent("cam", "disconnected", 1.0))
    assert [event.event for event in events] == ["disconnected"]
