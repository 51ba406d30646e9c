"""An HTTP server on the loopback interface that plays what a test tells it to."""

from __future__ import annotations

import contextlib
import io
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

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


def mjpeg(pictures: Callable[[], Iterable[UInt8Array]], **odd: Any) -> Answer:
    """A camera's stream of pictures, made JPEG as they go; see `jpeg_stream`."""
    return jpeg_stream(lambda: (encoded(picture) for picture in pictures()), **odd)


def encoded(picture: UInt8Array, kind: str = "JPEG") -> bytes:
    """A picture's file."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, kind, quality=90)
    return content.getvalue()


def jpeg_stream(
    jpegs: Callable[[], Iterable[bytes]],
    boundary: str = f"--{BOUNDARY}\r\n",
    *,
    begins_with_boundary: bool = True,
    declares_length: bool = True,
) -> Answer:
    """A camera's stream of JPEG files; some cameras write boundaries and heads of their own."""

    def parts() -> Iterator[bytes]:
        for number, jpeg in enumerate(jpegs()):
            head = boundary if number or begins_with_boundary else ""
            head += "Content-Type: image/jpeg\r\n"
            head += f"Content-Length: {len(jpeg)}\r\n\r\n" if declares_length else "\r\n"
            yield head.encode() + jpeg + b"\r\n"

    return Answer(parts, f"multipart/x-mixed-replace; boundary={BOUNDARY}")


@contextmanager
def http_server(
    answers: dict[str, Answer], certificate: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Serves the answers by path, and 404 for all others; gives the server's base URL.

    With PEM files of a certificate and its key it talks TLS.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0], Answer(status=404))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            if isinstance(answer.body, bytes):
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            pieces = [answer.body] if isinstance(answer.body, bytes) else answer.body()
            for piece in pieces:
                self.wfile.write(piece)

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # a client that hangs up, or refuses the certificate
                super().handle()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
        # The handshake is left to the handlers' threads, where one that fails hurts nobody.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
