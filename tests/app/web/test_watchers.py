from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from streamfer.app.web import client as client_module
from streamfer.app.web.client import Client
from streamfer.app.web.frames import LiveFrame, LiveFrames, View
from streamfer.app.web.watchers import FULL_SIDE, TILE_SIDE, Watchers, wanted_views
from streamfer.types import StreamEvent
from tests.support.web import result, unpacked

TILE, DOOR = View("cam", TILE_SIDE), View("door", TILE_SIDE)


class Page:
    """A page that takes what it gets, and acknowledges only when it is told to."""

    def __init__(self) -> None:
        self.texts: list[dict[str, Any]] = []
        self.frames: list[tuple[str, int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.got = asyncio.Event()

    async def send_text(self, data: str) -> None:
        await self.open.wait()
        self.texts.append(json.loads(data))
        self.got.set()

    async def send_bytes(self, data: bytes) -> None:
        await self.open.wait()
        record, _ = unpacked(data)
        self.frames.append((record["stream"], record["frame"]))
        self.got.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.got.clear()
                await self.got.wait()


class Hall:
    """Watchers with their pages, in one event loop."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.frames = LiveFrames()
        self.watchers = Watchers(self.frames)
        self.frames.on_frame = self.watchers.frame
        self.made: list[LiveFrame] = []
        self._executor = executor
        self._tasks: list[asyncio.Task[None]] = []

    def come(self, *views: View) -> tuple[Page, Client]:
        page = Page()
        client = Client(page, self._executor)
        self.watchers.add(client)
        self.watchers.set_views(client, views)
        self._tasks.append(asyncio.create_task(client.send()))
        return page, client

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def in_hall(story: Callable[[Hall], Awaitable[None]]) -> None:
    async def tell() -> None:
        with ThreadPoolExecutor(1) as executor:
            hall = Hall(executor)
            try:
                await story(hall)
            finally:
                await hall.close()

    asyncio.run(tell())


def watched(hall: Hall) -> set[View]:
    return {view for views in hall.frames._wanted.values() for view in views}


def every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamfer.app.web.watchers.TILE_INTERVAL_S", 0.0)


def test_one_frame_is_in_flight_per_page_and_stream_and_the_newest_wins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every_frame(monkeypatch)

    async def story(hall: Hall) -> None:
        page, client = hall.come(TILE, DOOR)
        for index in range(5):
            hall.frames.write(result("cam", index))
            await page.until(lambda: ("cam", 0) in page.frames)
        hall.frames.write(result("door", 7))
        await page.until(lambda: ("door", 7) in page.frames)
        assert page.frames == [("cam", 0), ("door", 7)]
        hall.watchers.acknowledged(client, "cam")
        await page.until(lambda: len(page.frames) == 3)
        assert page.frames[-1] == ("cam", 4)

    in_hall(story)


def test_a_page_that_sleeps_costs_nothing_and_wakes_to_new_frames(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    every_frame(monkeypatch)
    monkeypatch.setattr(client_module, "_ASLEEP_AFTER_S", -1.0)

    async def story(hall: Hall) -> None:
        page, client = hall.come(TILE)
        hall.frames.write(result(index=0))
        await page.until(lambda: len(page.frames) == 1)
        hall.frames.write(result(index=1))
        assert watched(hall) == set()
        hall.watchers.acknowledged(client, "cam")
        assert watched(hall) == {TILE}
        hall.frames.write(result(index=2))
        await page.until(lambda: len(page.frames) == 2)
        assert page.frames == [("cam", 0), ("cam", 2)]

    in_hall(story)


def test_one_that_sleeps_leaves_the_others_in_peace(monkeypatch: pytest.MonkeyPatch) -> None:
    every_frame(monkeypatch)

    async def story(hall: Hall) -> None:
        sleeping, _ = hall.come(TILE)
        sleeping.open.clear()
        awake, client = hall.come(TILE)
        for index in range(5):
            hall.frames.write(result(index=index))
            await awake.until(lambda index=index: len(awake.frames) == index + 1)
            hall.watchers.acknowledged(client, "cam")
        assert awake.frames == [("cam", index) for index in range(5)]
        assert not sleeping.frames

    in_hall(story)


def test_what_is_not_watched_any_more_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    every_frame(monkeypatch)

    async def story(hall: Hall) -> None:
        _, first = hall.come(TILE, DOOR)
        _, second = hall.come(TILE)
        hall.watchers.set_views(first, [DOOR])
        assert watched(hall) == {TILE, DOOR}
        hall.watchers.remove(second)
        assert watched(hall) == {DOOR}
        hall.watchers.remove(first)
        assert watched(hall) == set()
        assert len(hall.watchers) == 0

    in_hall(story)


def test_frames_of_a_view_that_was_left_are_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    every_frame(monkeypatch)

    async def story(hall: Hall) -> None:
        page, client = hall.come(TILE)
        hall.frames.write(result(index=0))
        await page.until(lambda: len(page.frames) == 1)
        hall.frames.write(result(index=1))
        hall.watchers.set_views(client, [DOOR])
        hall.watchers.acknowledged(client, "cam")
        hall.frames.write(result("door", 2))
        await page.until(lambda: len(page.frames) == 2)
        assert page.frames == [("cam", 0), ("door", 2)]

    in_hall(story)


def test_messages_that_a_page_is_too_slow_for_are_dropped() -> None:
    async def story(hall: Hall) -> None:
        page, client = hall.come()
        page.open.clear()
        for _ in range(1000):
            client.tell({"type": "status"})
            await asyncio.sleep(0)
        page.open.set()
        client.tell({"type": "event"})
        await page.until(lambda: len(page.texts) >= 60)
        assert len(page.texts) <= 70

    in_hall(story)


def test_events_go_to_pages_and_listeners() -> None:
    async def story(hall: Hall) -> None:
        page, _ = hall.come()
        heard: list[StreamEvent] = []
        stop = hall.watchers.listen(heard.append)
        event = StreamEvent("cam", "disconnected", 3.0, details={"message": "lost"})
        hall.watchers.event(event)
        stop()
        hall.watchers.event(event)
        await page.until(lambda: len(page.texts) == 2)
        assert heard == [event]
        assert page.texts[0] == {"type": "event", **event.to_dict()}

    in_hall(story)


def test_one_frame_for_a_snapshot() -> None:
    view = View("cam", drawn=True)

    async def story(hall: Hall) -> None:
        async def give() -> None:
            hall.frames.write(result(index=3))

        task = asyncio.create_task(give())
        frame = await hall.watchers.next_frame(view, 10)
        await task
        assert frame.record["frame"] == 3
        assert watched(hall) == set()

    in_hall(story)


def test_a_snapshot_that_never_comes_leaves_nothing_behind() -> None:
    async def story(hall: Hall) -> None:
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await hall.watchers.next_frame(View("cam", drawn=True), 0)
        assert watched(hall) == set()
        assert hall.watchers._once == {}

    in_hall(story)


def test_what_a_page_may_ask_for() -> None:
    assert wanted_views({"tiles": ["cam", "door"], "stream": None}) == [TILE, DOOR]
    full = View("cam", FULL_SIDE, details=True)
    assert wanted_views({"tiles": ["cam", "door"], "stream": "cam"}) == [DOOR, full]


@pytest.mark.parametrize("tiles", ["cam", [1], ["cam"] * 257, {"cam": 1}])
def test_what_it_may_not(tiles: object) -> None:
    with pytest.raises(ValueError, match="list of names"):
        wanted_views({"tiles": tiles})
