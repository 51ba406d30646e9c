"""The live page's server: a thread with an event loop of its own, for as long as a run lasts."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamfer.app.web.access import Access, Refused, is_loopback, new_token
from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.pages import LiveRun, Pages
from streamfer.errors import ConfigError

_START_TIMEOUT_S = 10.0
_HEADERS = [
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]
_LONGEST_MESSAGE = 65_536


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where the page is."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    certificate: Path | None = None
    """PEM file of the server's certificate; None: without TLS."""
    key: Path | None = None
    """PEM file of its key."""


class WebServer:
    """Serves the page; a context manager.

    Args:
        config: where.
        run: what it shows.
        frames: where its pictures come from.

    Raises:
        ConfigError: it cannot listen there, or the certificate is none.
    """

    def __init__(self, config: WebConfig, run: LiveRun, frames: LiveFrames) -> None:
        self._socket = _listening(config.host, config.port)
        port = self._socket.getsockname()[1]
        token = None if is_loopback(config.host) else new_token()
        self._access = Access(config.host, port, config.certificate is not None, token)
        self._started = threading.Event()
        self._pages = Pages(run, frames, self._started.set)
        settings = uvicorn.Config(
            _Guard(self._pages.application(), self._access),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="on",
            ws="websockets-sansio",
            ws_max_size=_LONGEST_MESSAGE,
            ssl_certfile=config.certificate,
            ssl_keyfile=config.key,
            timeout_graceful_shutdown=2,
        )
        try:
            settings.load()
        except (OSError, ValueError) as error:
            self._socket.close()
            raise ConfigError(f"--web-tls {config.certificate}: {error}") from error
        self._server = _Server(settings, self._pages)
        self._thread = threading.Thread(target=self._serve, name="web server")

    @property
    def url(self) -> str:
        """Where the page is, with the token if there is one: not for logs."""
        return self._access.url

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(_START_TIMEOUT_S):
            self.__exit__()
            raise ConfigError(f"--web: the server at port {self._access.port} does not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


class _Server(uvicorn.Server):
    """Ends pages that have no end of their own before it waits for them."""

    def __init__(self, config: uvicorn.Config, pages: Pages) -> None:
        super().__init__(config)
        self._pages = pages

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._pages.end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Signals are the program's."""
        yield


class _Guard:
    """Lets through what `Access` allows, and adds the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): v.decode("latin-1") for name, v in scope["headers"]
        }
        query = parse_qs(scope["query_string"].decode("latin-1"))
        token = query.get("token", [None])[0]
        refused = self._access.refused(headers, token)
        if refused is not None:
            await _refuse(refused, scope, receive, send)
            return
        extra = list(_HEADERS)
        if token is not None and self._access.token is not None:
            extra.append((b"set-cookie", self._access.cookie().encode()))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", [])}
                added = [(name, value) for name, value in extra if name not in present]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 4000 + refused.status % 1000})
        return
    body = f"{refused.reason}\n".encode()
    headers = [*_HEADERS, (b"content-type", b"text/plain; charset=utf-8")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = socket.socket(family, socket.SOCK_STREAM)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
            server.listen()
        except OSError:
            server.close()
            raise
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        reason = error.strerror or str(error)
        raise ConfigError(
            f"--web {shown}:{port}: cannot listen there ({reason}); choose another port"
        ) from error
    server.set_inheritable(False)
    return server
