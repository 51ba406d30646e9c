from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from streamfer.app.web import feeds
from tests.support.web import Site, result, site


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as server:
        yield server


@contextmanager
def camera(there: Site, stream: str = "cam") -> Iterator[None]:
    """Frames of a stream, as long as they are wanted."""
    ending = threading.Event()

    def write() -> None:
        index = 0
        while not ending.is_set():
            there.frames.write(result(stream, index, (64, 32)))
            index += 1
            ending.wait(0.005)  # a camera's own pace

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def test_snapshots_that_cannot_be(local: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_FRAME_TIMEOUT_S", 0.05)
    assert local.ask("/snapshot/cam").status == 404
    assert local.ask("/snapshot/nobody.jpg").status == 404
    assert local.ask("/mjpeg/nobody").status == 404
    assert local.ask("/snapshot/cam.jpg").status == 503
    assert local.frames._wanted == {}


def test_a_snapshot_of_a_stream_that_is_over_fails_at_once() -> None:
    with site() as there:
        there.run.streams["cam"] = replace(there.run.streams["cam"], state="failed")
        assert there.ask("/snapshot/cam.jpg").status == 503


def test_moving_pictures_end_with_their_stream() -> None:
    with site() as there, camera(there), there.follow("/mjpeg/cam") as answer:
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
        for _ in range(3):
            assert answer.readline() == b"--frame\r\n"
            assert answer.readline() == b"Content-Type: image/jpeg\r\n"
            length = int(answer.readline().removeprefix(b"Content-Length: "))
            answer.readline()
            assert answer.read(length)[:2] == b"\xff\xd8"
            answer.readline()
        there.run.remove("cam")
        answer.read()


def test_a_quiet_connection_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "_HEARTBEAT_S", 0.01)
    with site() as there, there.follow("/events") as answer:
        lines = [answer.readline() for _ in range(4)]
        assert lines[2] == b": nothing new\n"
