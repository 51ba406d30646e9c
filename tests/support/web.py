"""A run that the live page shows, made by hand, and requests to its server."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from websockets.sync.client import ClientConnection, connect

from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig
from streamfer.app.web.server import WebServer
from streamfer.errors import ConfigError, SourceError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import Frame, FrameResult, StreamInfo
from tests.support import snapshots
from tests.support.results import face_result


def result(
    stream: str = "cam", index: int = 0, size_wh: tuple[int, int] = (960, 540), **face: Any
) -> FrameResult:
    """A frame with one face; its picture's gray level is its index."""
    width, height = size_wh
    image = np.full((height, width, 3), index % 256, dtype=np.uint8)
    frame = Frame(stream, index, index, Fraction(1, 25), index / 25, 0.0, image, wall="2026")
    drawing = np.full((64, 64), 128, dtype=np.uint8)
    return FrameResult(frame, (replace(face_result(), reconstruction=drawing, **face),))


class FakeRun:
    """Two cameras, of which more can be added."""

    def __init__(self) -> None:
        self.streams = {name: snapshots.stream(snapshots.camera(name)) for name in ("cam", "door")}

    def snapshot(self) -> RunSnapshot:
        return snapshots.run(*self.streams.values())

    def metrics(self) -> bytes:
        return b"streamfer_frames_analysed_total 1\n"

    def add(self, source: str, name: str | None) -> StreamInfo:
        if source == "missing":
            raise SourceError("missing: no such file")
        if source == "wrong":
            raise ConfigError("wrong: no source")
        about = snapshots.camera(name or source)
        self.streams[about.stream] = snapshots.stream(about)
        return about

    def remove(self, stream: str) -> bool:
        return self.streams.pop(stream, None) is not None


@dataclass(frozen=True)
class Answer:
    """What the server has answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    """A server under test, seen from outside."""

    def __init__(self, url: str, run: FakeRun, frames: LiveFrames) -> None:
        self.url = url
        self.run = run
        self.frames = frames
        parts = urlsplit(url)
        self.port = parts.port
        self.secure = parts.scheme == "https"
        self.token = parse_qs(parts.query).get("token", [None])[0]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def connection(self) -> http.client.HTTPConnection:
        if self.secure:
            context = ssl._create_unverified_context()
            return http.client.HTTPSConnection(self.address, timeout=60, context=context)
        return http.client.HTTPConnection(self.address, timeout=60)

    def ask(
        self, path: str, method: str = "GET", body: bytes | str | None = None, **headers: str
    ) -> Answer:
        """One request; headers' names with _ for -."""
        connection = self.connection()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return Answer(answer.status, answer.msg, answer.read())
        finally:
            connection.close()

    @contextmanager
    def follow(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """An answer that goes on."""
        connection = self.connection()
        try:
            connection.request("GET", path)
            with connection.getresponse() as answer:
                yield answer
        finally:
            connection.close()

    def post(self, wish: object) -> Answer:
        return self.ask("/api/streams", "POST", json.dumps(wish), Content_Type="application/json")

    def live(self, **headers: str) -> ClientConnection:
        """A page's WebSocket."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        host = named.pop("Host", self.address)
        here = socket.create_connection(("127.0.0.1", self.port))
        scheme = "wss" if self.secure else "ws"
        return connect(
            f"{scheme}://{host}/live",
            sock=here,
            ssl=ssl._create_unverified_context() if self.secure else None,
            additional_headers=named,
            proxy=None,
        )


@contextmanager
def site(
    host: str = "127.0.0.1", certificate: tuple[Path, Path] = (None, None), **settings: Any
) -> Iterator[Site]:
    """A server with a run of its own."""
    config = WebConfig(host, 0, *certificate)
    run, frames = FakeRun(), LiveFrames(**settings)
    with WebServer(config, run, frames) as server:
        yield Site(server.url, run, frames)


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The record and the JPEG of a frame that a page got."""
    (length,) = struct.unpack(">I", message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]
