"""The live page's server: a thread with an event loop of its own, for as long as a run lasts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import uvicorn
from starlette.routing import Route

from streamfer.app.web.access import Access, is_loopback, new_token
from streamfer.app.web.api import LiveRun
from streamfer.app.web.connections import Connection
from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.guard import Guard
from streamfer.app.web.listening import WebConfig, listen
from streamfer.app.web.pages import Pages
from streamfer.errors import ConfigError

log = logging.getLogger(__name__)

_START_TIMEOUT_S = 10.0
_END_TIMEOUT_S = 2
"""How long answers that are under way may hold the exit."""
_THREAD_TIMEOUT_S = 10.0
"""After that the program ends without the server."""
_HANDSHAKE_TIMEOUT_S = 5.0
"""For TLS; until then a connection is not known to be one."""
_LONGEST_MESSAGE = 65_536
"""Bytes that a page may send at once."""


class WebServer:
    """Serves the page; a context manager.

    Args:
        config: where.
        run: what it shows.
        frames: where its pictures come from.
        listening: the socket of that place, where `listen` has opened it already; it is the
            server's from now on.
        routes: what else it answers.

    Raises:
        ConfigError: it cannot listen there, or the certificate is none.
    """

    def __init__(
        self,
        config: WebConfig,
        run: LiveRun,
        frames: LiveFrames,
        listening: socket.socket | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        self._socket = listening or listen(config)
        port = self._socket.getsockname()[1]
        token = None if is_loopback(config.host) else new_token()
        self._access = Access(config.host, port, config.certificate is not None, token)
        self._started = threading.Event()
        self._pages = Pages(run, frames, self._started.set, routes)
        settings = uvicorn.Config(
            Guard(self._pages.application(), self._access),
            http=Connection,
            ws="websockets-sansio",
            ws_max_size=_LONGEST_MESSAGE,
            ws_per_message_deflate=False,  # pictures don't get smaller
            lifespan="on",
            log_config=None,
            log_level="error",  # whoever knocks at the port writes no log
            access_log=False,
            server_header=False,
            ssl_certfile=config.certificate,
            ssl_keyfile=config.key,
            timeout_graceful_shutdown=_END_TIMEOUT_S,
        )
        self._server = _Server(settings, self._pages)
        self._thread = threading.Thread(target=self._serve, name="web server", daemon=True)

    @property
    def url(self) -> str:
        """Where the page is, with the token if there is one: not for logs."""
        return self._access.url

    def __enter__(self) -> Self:
        """Starts it.

        Raises:
            ConfigError: it does not start.
        """
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S):
            self.__exit__()
            raise ConfigError(f"--web: the server at port {self._access.port} does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(_THREAD_TIMEOUT_S)
        if self._thread.is_alive():
            log.warning("the live page's server does not end; the program ends without it")
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Ends pages that have no end of their own before it waits for them."""

    def __init__(self, config: uvicorn.Config, pages: Pages) -> None:
        super().__init__(config)
        self._pages = pages

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.ssl is not None:  # uvicorn has no setting for that, and a minute is long
            loop: Any = asyncio.get_running_loop()
            loop.create_server = partial(
                loop.create_server, ssl_handshake_timeout=_HANDSHAKE_TIMEOUT_S
            )
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._pages.end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals are the program's."""
        yield
