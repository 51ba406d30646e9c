"""An HTTP server on the loopback interface that plays what a test tells it to."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image

from streamfer.types import UInt8Array

BOUNDARY = "frame"


@dataclass(frozen=True)
class Answer:
    """What the server says to one path."""

    body: bytes | Callable[[], Iterable[bytes]] = b""
    """All of it, or a maker of its pieces: a stream, which ends when the client hangs up."""
    content_type: str = "application/octet-stream"
    status: int = 200


def mjpeg(pictures: Callable[[], Iterable[UInt8Array]]) -> Answer:
    """A camera's stream of pictures, made JPEG as they go."""

    def jpegs() -> Iterator[bytes]:
        for picture in pictures():
            jpeg = io.BytesIO()
            Image.fromarray(picture).save(jpeg, "JPEG", quality=90)
            yield jpeg.getvalue()

    return jpeg_stream(jpegs)


def jpeg_stream(jpegs: Callable[[], Iterable[bytes]]) -> Answer:
    """A camera's stream of JPEG files."""

    def parts() -> Iterator[bytes]:
        for jpeg in jpegs():
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n"
            head += f"Content-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + b"\r\n"

    return Answer(parts, f"multipart/x-mixed-replace; boundary={BOUNDARY}")


@contextmanager
def http_server(answers: dict[str, Answer]) -> Iterator[str]:
    """Serves the answers by path, and 404 for all others; gives the server's base URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0], Answer(status=404))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            if isinstance(answer.body, bytes):
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            try:
                if isinstance(answer.body, bytes):
                    self.wfile.write(answer.body)
                else:
                    for piece in answer.body():
                        self.wfile.write(piece)
            except OSError:
                pass  # the client has hung up

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
