from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from streamfer.app.web import api
from streamfer.errors import SourceError
from streamfer.types import StreamInfo
from tests.support.web import Answer, Site, site


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as server:
        yield server


def test_the_streams_of_the_run(local: Site) -> None:
    cam = local.ask("/api/streams").json[0]
    assert cam["stream"] == "cam"
    assert cam["source"] == "cam.mp4"
    assert (cam["state"], cam["live"]) == ("running", True)
    assert cam["tracks"][0]["share"][3] == 0.75
    assert local.ask("/api/streams", Content_Type="text/plain").status == 200


def test_a_stream_joins_and_leaves() -> None:
    with site() as there:
        added = there.post({"source": "rtsp://cam/2", "name": "gate"})
        assert added.status == 201
        assert added.json["stream"] == "gate"
        assert added.json == there.ask("/api/streams").json[-1]
        removed = there.ask("/api/streams/gate", "DELETE")
        assert (removed.status, removed.body) == (204, b"")
        assert there.ask("/api/streams/gate", "DELETE").status == 404


@pytest.mark.parametrize(
    ("path", "method"),
    [("/", "POST"), ("/api/streams", "DELETE"), ("/api/streams/cam", "GET"), ("/metrics", "PUT")],
)
def test_methods_that_nothing_has(local: Site, path: str, method: str) -> None:
    assert local.ask(path, method).status == 405


@pytest.mark.parametrize("long", ["source", "name"])
def test_what_nobody_types_is_refused_before_it_is_read(local: Site, long: str) -> None:
    answer = local.post({"source": "rtsp://cam/2", "name": "gate"} | {long: "a" * 2049})
    assert answer.status == 400
    assert "at most 2048 characters" in answer.json["error"]


class Silent:
    """A source that does not answer before it is told to."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.answers: list[Answer] = []

    def add(self, source: str, name: str | None) -> StreamInfo:
        self.asked.set()
        assert self.answer.wait(60)
        raise SourceError("silent: nobody there")


@contextmanager
def adding(there: Site) -> Iterator[Silent]:
    """Somebody adds a silent source."""
    silent = Silent()
    there.run.add = silent.add

    def add() -> None:
        silent.answers.append(there.post({"source": "/mnt/silent/talk.mp4"}))

    thread = threading.Thread(target=add)
    thread.start()
    try:
        assert silent.asked.wait(60)
        yield silent
    finally:
        silent.answer.set()
        thread.join()


def test_the_server_ends_without_a_source_that_does_not_answer() -> None:
    with ExitStack() as stack:
        with site() as there:
            silent = stack.enter_context(adding(there))
        assert not silent.answer.is_set()
    (answer,) = silent.answers
    assert (answer.status, answer.json) == (503, {"error": "the run is ending"})


def test_so_many_that_do_not_answer_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_MOST_ADDED_AT_ONCE", 1)
    with site() as there:
        with adding(there) as silent:
            answer = there.post({"source": "rtsp://cam/2"})
            assert (answer.status, len(silent.answers)) == (503, 0)
        assert silent.answers[0].status == 422
        assert there.post({"source": "rtsp://cam/2"}).status == 422


def test_somebody_who_leaves_in_mid_body_is_not_written_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        site() as there,
        socket.create_connection(("127.0.0.1", there.port)) as leaving,
    ):
        head = f"POST /api/streams HTTP/1.1\r\nHost: {there.address}\r\nContent-Length: 100\r\n"
        leaving.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
    assert [record.getMessage() for record in caplog.records] == []
