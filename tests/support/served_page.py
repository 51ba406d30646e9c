from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig
from streamfer.app.web.server import WebServer
from streamfer.errors import ConfigError, SourceError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import StreamInfo
from tests.support.analysed import make_result


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
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
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
            f"ws://127.0.0.1:{self.port}{path}", additional_headers=headers, open_timeout=60
        )


@contextmanager
def serving(config: WebConfig | None = None) -> Iterator[Page]:
    page = Page(config or WebConfig())
    with page.server:
        yield page


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
