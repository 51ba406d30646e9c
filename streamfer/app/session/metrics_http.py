"""The server of `--metrics`, which no silent peer can fill. Takes 0.1 s to import."""

from __future__ import annotations

import socket
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import WSGIApplication

_TIMEOUT_S = 10.0
"""For every read of a request, and every write of an answer."""
_MOST = 32
"""Connections at once; each has a thread and a descriptor, which the run needs, too."""


class _Handler(WSGIRequestHandler):
    """Answers one connection, and writes no log."""

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(_TIMEOUT_S)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class FiguresServer(ThreadingMixIn, WSGIServer):
    """A thread for each connection, and so many of them.

    Args:
        host: where to listen.
        port: where to listen.
        app: what answers.

    Raises:
        OSError: it cannot be listened on.
    """

    daemon_threads = True

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        self.address_family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._free = threading.BoundedSemaphore(_MOST)
        super().__init__(address[:2], _Handler)  # type: ignore[arg-type]
        self.set_app(app)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begins to answer, or hangs up where too many are there already."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answers."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of peers that have gone."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
