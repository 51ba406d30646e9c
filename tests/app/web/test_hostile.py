"""What somebody sends who wants the server to fall over: it answers, and goes on."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator

import pytest

from streamfer.app.web import pages
from tests.support.web import Site, result, site, unpacked


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as there:
        yield there


def spoken(there: Site, raw: bytes) -> bytes:
    """The first of what the server says to some bytes."""
    with socket.create_connection(("127.0.0.1", there.port), timeout=30) as connection:
        connection.sendall(raw)
        with contextlib.suppress(OSError):  # it may have hung up already
            connection.shutdown(socket.SHUT_WR)
        try:
            return connection.recv(200)
        except ConnectionResetError:
            return b""


WISHES = (
    '{"source": "a\\u0000b"}',
    '{"source": "\\ud800"}',
    '{"source": "rtsp://\\ud800/"}',
    '{"source": "missing", "name": "\\ud800"}',
    '{"source": "demo:", "name": "\\ud800"}',
    '{"source": "demo:", "name": "\\u0000/../x"}',
    '{"source": "demo:", "name": {"a": 1}}',
    '{"source": NaN}',
    '{"source": "demo:", "source": 3}',
    '{"source": 1e999}',
    '[[[[{"source": "demo:"}]]]]',
    '"demo:"',
    "null",
    "",
    "{" * 16_000,
    '{"a":' * 3000,
)


def test_wishes_that_make_no_sense_are_refused(local: Site) -> None:
    for wish in WISHES:
        answer = local.ask("/api/streams", "POST", wish, Content_Type="application/json")
        assert answer.status in (400, 422), (wish[:80], answer.body)
        listed = local.ask("/api/streams")
        assert (listed.status, len(listed.json)) == (200, 2), wish[:80]


PATHS = (
    "/static/../pages.py",
    "/static/..%2fpages.py",
    "/static/%2e%2e/pages.py",
    "/static/....//pages.py",
    "/static//etc/passwd",
    "/static/%2fetc%2fpasswd",
    "/static/page.css%00.js",
    "/snapshot/..%2f..%2fetc%2fpasswd.jpg",
    "/snapshot/%00.jpg",
    "/snapshot/%ff%fe.jpg",
    "/mjpeg/" + "x" * 5000,
    "/mjpeg/%ed%a0%80",
    "//evil.example/",
    "/live",
    "/%",
)


def test_paths_that_lead_elsewhere_lead_nowhere(local: Site) -> None:
    for path in PATHS:
        assert local.ask(path).status in (400, 403, 404, 405, 426), path


def test_nothing_is_removed_but_what_is_named(local: Site) -> None:
    for name in ("%ed%a0%80", "%00", "..%2f..", "x" * 5000, "cam/../cam"):
        assert local.ask(f"/api/streams/{name}", "DELETE").status == 404
    assert len(local.ask("/api/streams").json) == 2


def test_a_body_that_is_too_large_is_not_waited_for(local: Site) -> None:
    head = (
        f"POST /api/streams HTTP/1.1\r\nHost: {local.address}\r\n"
        "Content-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", local.port), timeout=30) as connection:
        connection.sendall(head.encode() + b" " * 20_000)
        assert connection.recv(12) == b"HTTP/1.1 400"


REQUESTS = (
    "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "GET http://evil.example/ HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n",
    "GET / HTTP/1.1\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "POST /api/streams HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n"
    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\n\r\n",
    "POST /api/streams HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n",
    "GET /live HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {host}\r\nCookie: " + "a=b; " * 2000 + "\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {host}\r\nX: " + "y" * 200_000 + "\r\n\r\n",
    "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def test_bytes_that_are_no_requests_do_not_end_the_server(local: Site) -> None:
    order = random.Random(7)
    for number in range(150):
        raw = bytearray(REQUESTS[number % len(REQUESTS)].format(host=local.address).encode())
        for _ in range(number // len(REQUESTS)):  # the first of each are as they stand
            place = order.randrange(len(raw) or 1)
            raw = raw or bytearray(b"x")
            change = order.randrange(3)
            if change == 0:
                raw[place] = order.randrange(256)
            elif change == 1:
                del raw[place : place + order.randrange(1, 40)]
            else:
                raw[place:place] = order.randbytes(order.randrange(1, 40))
        said = spoken(local, bytes(raw))
        assert not said.startswith(b"HTTP/1.1 5"), (bytes(raw)[:300], said)
    assert local.ask("/").status == 200


FRAMES = (
    b"\x81\xff",  # text whose length never comes
    b"\x81\x84\x00\x00\x00\x00\xff\xfe\xfd\xfc",  # no UTF-8
    b"\x81\x05hello",  # not masked
    b"\x82\x84\x00\x00\x00\x00abcd",  # binary
    b"\x89\xfe\x00\x7f\x00\x00\x00\x00",  # a ping that is too long
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x88\x82\x00\x00\x00\x00\x00\x00",  # closed for a reason that is none
)


@pytest.mark.parametrize("frame", FRAMES)
def test_frames_that_are_none_end_their_own_page_alone(local: Site, frame: bytes) -> None:
    with local.live() as other, local.live() as page:
        page.socket.sendall(frame)
        with contextlib.suppress(OSError):  # it may have hung up already
            page.socket.shutdown(socket.SHUT_WR)
        assert local.ask("/").status == 200
        assert json.loads(other.recv(timeout=30))["type"] == "status"
        other.ping().wait(30)


def test_a_page_that_talks_without_end_is_heard_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_PAUSE_S", 3600.0)
    with site() as there, there.live() as page, there.live() as other:
        page.send(json.dumps({"ack": "nothing is on its way"}))
        page.send(json.dumps({"watch": {"tiles": ["cam"], "stream": None}}))
        other.send(json.dumps({"watch": {"tiles": ["door"], "stream": None}}))
        heard = None
        while heard != "door":  # frames come once the page is heard
            there.frames.write(result("cam"))
            there.frames.write(result("door"))
            message = other.recv(timeout=30)
            if isinstance(message, bytes):
                heard = unpacked(message)[0]["stream"]
        assert list(there.frames._wanted) == ["door"]  # what the first one wishes is not read yet
