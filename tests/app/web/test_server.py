"""The live page's server, as browsers and programs meet it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig
from streamfer.app.web.server import WebServer
from streamfer.errors import ConfigError, SourceError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import StreamEvent, StreamInfo
from tests.support.analysed import make_result
from tests.support.certificate import make_certificate


class Run:
    """A run of two cameras, to which others may be added."""

    def __init__(self) -> None:
        self.statistics = RunStatistics(lambda: 0.0, "openvino", "cpu")
        self.removed: list[str] = []
        for name in ("cam", "door"):
            self.statistics.add_stream(StreamInfo(name, "rtsp://***@cam/1", 240, 180, live=True))

    def snapshot(self) -> RunSnapshot:
        return self.statistics.snapshot()

    def metrics(self) -> bytes:
        return b"streamfer_frames 1\n"

    def add(self, source: str, name: str | None) -> StreamInfo:
        if source == "broken":
            raise SourceError("cannot open rtsp://***@cam/2")
        if source == "nonsense":
            raise ConfigError("unknown kind of source")
        info = StreamInfo(name or "new", source, None, None, live=True)
        self.statistics.add_stream(info)
        return info

    def remove(self, stream: str) -> bool:
        self.removed.append(stream)
        return stream == "cam"


class Page:
    """A running server with what it serves."""

    def __init__(self, config: WebConfig) -> None:
        self.run = Run()
        self.frames = LiveFrames()
        self.server = WebServer(config, self.run, self.frames)
        self.port = int(self.server.url.split(":")[2].split("/")[0])

    def ask(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            if body is not None:
                headers = {"Content-Type": "application/json", **headers}
            connection.request(method, path, sent, headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def live(self, path: str = "/live", **headers: str) -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, open_timeout=10
        )


@contextmanager
def serving(config: WebConfig | None = None) -> Iterator[Page]:
    page = Page(config or WebConfig())
    with page.server:
        yield page


@pytest.fixture
def page() -> Iterator[Page]:
    with serving() as page:
        yield page


# Pages and pictures.


def test_the_page_and_its_files(page: Page) -> None:
    status, body, headers = page.ask("GET", "/")
    assert status == 200
    assert b"<title>Streamfer</title>" in body
    assert headers["Content-Security-Policy"].startswith("default-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    for name, kind in (("page.js", "text/javascript"), ("page.css", "text/css")):
        status, body, headers = page.ask("GET", f"/static/{name}")
        assert (status, headers["Content-Type"].split(";")[0]) == (200, kind)
        assert body


@pytest.mark.parametrize(
    "path",
    [
        "/static/../server.py",
        "/static/..%2fserver.py",
        "/static/%2e%2e/server.py",
        "/static//etc/passwd",
        "/static/index.html",
        "/nothing",
        "/snapshot/none.jpg",
        "/snapshot/cam",
        "/mjpeg/none",
    ],
)
def test_nothing_else_is_served(page: Page, path: str) -> None:
    assert page.ask("GET", path)[0] == 404


def test_everything_that_the_page_asks_for_is_small(page: Page) -> None:
    folder = Path(__file__).parents[3] / "streamfer" / "app" / "web" / "static"
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 200_000


def feed(page: Page, count: int = 1000) -> threading.Event:
    """Writes frames of `cam` until the event is set."""
    stop = threading.Event()

    def write() -> None:
        for index in range(count):
            if stop.wait(0.01):
                return
            page.frames.write(make_result(index, stream="cam"))

    threading.Thread(target=write, name="feeder").start()
    return stop


def test_a_snapshot_and_a_stream_of_pictures(page: Page) -> None:
    stop = feed(page)
    try:
        status, body, headers = page.ask("GET", "/snapshot/cam.jpg")
        assert (status, headers["Content-Type"], body[:2]) == (200, "image/jpeg", b"\xff\xd8")
        with socket.create_connection(("127.0.0.1", page.port), timeout=10) as stream:
            stream.sendall(
                f"GET /mjpeg/cam HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode()
            )
            received = b""
            while received.count(b"Content-Type: image/jpeg") < 2:
                received += stream.recv(65536)
        assert b"multipart/x-mixed-replace" in received
    finally:
        stop.set()


def test_events_are_streamed(page: Page) -> None:
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as stream:
        stream.sendall(f"GET /events HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\n\r\n".encode())
        received = b""
        while b"events follow" not in received:
            received += stream.recv(65536)
        page.frames.event(StreamEvent("cam", "disconnected", 1.5))
        while b"disconnected" not in received:
            received += stream.recv(65536)
    assert b'data: {"stream": "cam"' in received


def test_figures_for_prometheus(page: Page) -> None:
    assert page.ask("GET", "/metrics")[1] == b"streamfer_frames 1\n"


# The API.


def test_streams_are_listed_added_and_removed(page: Page) -> None:
    status, body, _ = page.ask("GET", "/api/streams")
    streams = json.loads(body)
    assert status == 200
    assert [s["stream"] for s in streams] == ["cam", "door"]
    assert {"stream", "source", "state", "live"} <= streams[0].keys()
    status, body, _ = page.ask("POST", "/api/streams", {"source": "rtsp://new/1", "name": "hall"})
    assert status == 201
    assert (json.loads(body)["stream"], json.loads(body)["live"]) == ("hall", True)
    assert page.ask("DELETE", "/api/streams/cam")[0] == 204
    assert page.ask("DELETE", "/api/streams/none")[0] == 404
    assert page.run.removed == ["cam", "none"]


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        ({"source": "nonsense"}, 400, "unknown kind"),
        ({"source": "broken"}, 422, "cannot open rtsp://***@cam/2"),
        ({}, 400, "expected"),
        ({"source": 3}, 400, "expected"),
        ({"source": "x", "name": 3}, 400, "expected"),
        ([1], 400, "expected an object"),
        (b"{", 400, "expected JSON"),
        (b"[" * 9000, 400, "expected JSON"),
        (b" " * 20_000, 400, "at most"),
    ],
)
def test_wrong_requests_are_one_line(page: Page, body: Any, status: int, complaint: str) -> None:
    got, answer, _ = page.ask("POST", "/api/streams", body)
    assert got == status
    assert complaint in json.loads(answer)["error"]


def test_a_form_of_another_site_cannot_add_a_source(page: Page) -> None:
    wish = b'{"source": "rtsp://x"}'
    assert page.ask("POST", "/api/streams", wish, **{"Content-Type": "text/plain"})[0] == 400
    origin = {"Origin": "http://evil.example"}
    assert page.ask("POST", "/api/streams", {"source": "rtsp://x"}, **origin)[0] == 403
    assert page.ask("GET", "/api/streams", Host="evil.example")[0] == 403


# The WebSocket.


def split(message: str | bytes) -> tuple[dict[str, Any], bytes]:
    assert isinstance(message, bytes)
    (length,) = struct.unpack(">I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


def next_frame(live: ClientConnection) -> tuple[dict[str, Any], bytes]:
    while True:
        message = live.recv(timeout=10)
        if isinstance(message, bytes):
            return split(message)


def test_a_client_gets_the_newest_frame_once_it_has_taken_the_last(page: Page) -> None:
    with page.live() as live:
        assert json.loads(live.recv(timeout=10))["type"] == "status"
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
    assert gone.wait(10)
    assert page.frames._wanted == {}


def receive_all(live: ClientConnection) -> None:
    while True:
        live.recv(timeout=10)


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
        live.recv(timeout=10)
        page.frames.event(StreamEvent("cam", "reconnected", 2.0))
        while (message := json.loads(live.recv(timeout=10)))["type"] != "event":
            pass
    assert (message["stream"], message["event"]) == ("cam", "reconnected")


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_other_sites_get_no_socket(page: Page, headers: dict[str, str]) -> None:
    with pytest.raises((InvalidStatus, OSError, EOFError)), page.live(**headers) as live:
        live.recv(timeout=10)


# Where it listens.


def test_other_machines_need_the_token() -> None:
    with serving(WebConfig("0.0.0.0")) as page:
        token = page.server.url.partition("token=")[2]
        assert page.ask("GET", "/")[0] == 401
        assert page.ask("GET", "/?token=wrong")[0] == 401
        with pytest.raises(InvalidStatus), page.live():
            pass
        status, _, headers = page.ask("GET", f"/?token={token}")
        assert status == 200
        cookie = headers["Set-Cookie"].partition(";")[0]
        assert "HttpOnly" in headers["Set-Cookie"]
        assert page.ask("GET", "/api/streams", Cookie=cookie)[0] == 200
        with page.live(Cookie=cookie) as live:
            assert json.loads(live.recv(timeout=10))["type"] == "status"


def test_a_port_that_is_taken_is_one_line() -> None:
    with (
        serving() as page,
        pytest.raises(ConfigError, match=f"--web 127.0.0.1:{page.port}: cannot"),
    ):
        WebServer(WebConfig(port=page.port), page.run, page.frames)


def test_a_certificate_that_is_none_is_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    with pytest.raises(ConfigError, match="--web-tls"):
        WebServer(WebConfig(certificate=wrong, key=wrong), Run(), LiveFrames())


def test_over_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with serving(WebConfig(certificate=certificate, key=key)) as page:
        assert page.server.url.startswith("https://")
        trust = ssl.create_default_context(cafile=str(certificate))
        connection = http.client.HTTPSConnection("127.0.0.1", page.port, timeout=10, context=trust)
        connection.request("GET", "/api/streams")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_server_that_never_ran_and_one_that_ends_leave_nothing() -> None:
    with serving() as page, page.live() as live:
        live.send(json.dumps({"watch": {"tiles": ["cam"], "stream": None}}))
    assert [t.name for t in threading.enumerate() if t.name.startswith("web")] == []
