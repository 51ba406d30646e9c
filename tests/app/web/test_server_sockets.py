from __future__ import annotations

import json
import struct
import threading
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from streamfer.types import StreamEvent
from tests.support.served_page import Page, feed


def split(message: str | bytes) -> tuple[dict[str, Any], bytes]:
    assert isinstance(message, bytes)
    (length,) = struct.unpack(">I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def next_frame(live: ClientConnection) -> tuple[dict[str, Any], bytes]:
    while True:
        message = live.recv(timeout=60)
        if isinstance(message, bytes):
            return split(message)


def test_a_client_gets_the_newest_frame_once_it_has_taken_the_last(page: Page) -> None:
    with page.live() as live:
        assert json.loads(live.recv(timeout=60))["type"] == "status"
        live.send(json.dumps({"watch": {"tiles": [], "stream": "cam"}}))
        stop = feed(page)
        try:
            record, jpeg = next_frame(live)
            assert jpeg[:2] == b"\xff\xd8"
            assert record["stream"] == "cam"
            first = record["frame"]
            # The client sleeps while many frames come and none is sent.
            page.ask("GET", "/snapshot/cam.jpg")
            page.ask("GET", "/snapshot/cam.jpg")
            live.send(json.dumps({"ack": "cam"}))
            record, _ = next_frame(live)
            assert record["frame"] > first + 1
        finally:
            stop.set()


def test_two_clients_of_which_one_sleeps(page: Page) -> None:
    with page.live() as awake, page.live() as asleep:
        for live in (awake, asleep):
            live.send(json.dumps({"watch": {"tiles": ["cam"], "stream": None}}))
        stop = feed(page)
        try:
            frames = []
            for _ in range(4):
                frames.append(next_frame(awake)[0]["frame"])
                awake.send(json.dumps({"ack": "cam"}))
            assert frames == sorted(set(frames))
        finally:
            stop.set()


def test_nothing_is_watched_any_more_when_a_page_is_closed(page: Page) -> None:
    gone = threading.Event()
    unwatch = page.frames.unwatch

    def noted(view: Any) -> None:
        unwatch(view)
        gone.set()

    page.frames.unwatch = noted  # type: ignore[method-assign]
    with page.live() as live:
        live.send(json.dumps({"watch": {"tiles": ["cam"], "stream": None}}))
        stop = feed(page)
        next_frame(live)
        stop.set()
    assert gone.wait(60)
    assert page.frames._wanted == {}


def receive_all(live: ClientConnection) -> None:
    while True:
        live.recv(timeout=60)


@pytest.mark.parametrize(
    "said", ["nonsense", "[]", "{}", '{"watch": {"tiles": 3}}', '{"watch": {"tiles": [3]}}', "3"]
)
def test_a_client_that_says_what_it_should_not_is_sent_away(page: Page, said: str) -> None:
    with page.live() as live:
        live.send(said)
        with pytest.raises(ConnectionClosed):
            receive_all(live)
    assert page.ask("GET", "/api/streams")[0] == 200


def test_events_reach_the_page(page: Page) -> None:
    with page.live() as live:
        live.recv(timeout=60)
        page.frames.event(StreamEvent("cam", "reconnected", 2.0))
        while (message := json.loads(live.recv(timeout=60)))["type"] != "event":
            pass
    assert (message["stream"], message["event"]) == ("cam", "reconnected")


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_other_sites_get_no_socket(page: Page, headers: dict[str, str]) -> None:
    with pytest.raises((InvalidStatus, OSError, EOFError)), page.live(**headers) as live:
        live.recv(timeout=60)
