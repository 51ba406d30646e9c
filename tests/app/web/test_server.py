"""The live page's server, as browsers and programs meet it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig
from streamfer.app.web.server import WebServer
from streamfer.errors import ConfigError
from streamfer.types import StreamEvent
from tests.support.certificate import make_certificate
from tests.support.served_page import Page, Run, feed, serving

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
            assert json.loads(live.recv(timeout=60))["type"] == "status"


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
        connection = http.client.HTTPSConnection("127.0.0.1", page.port, timeout=60, context=trust)
        connection.request("GET", "/api/streams")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_server_that_never_ran_and_one_that_ends_leave_nothing() -> None:
    with serving() as page, page.live() as live:
        live.send(json.dumps({"watch": {"tiles": ["cam"], "stream": None}}))
    assert [t.name for t in threading.enumerate() if t.name.startswith("web")] == []
