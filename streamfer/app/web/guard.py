"""Lets through what `Access` allows, and adds the headers that keep the page to itself."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamfer.app.web.access import Access, Refused

_HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Guard:
    """An ASGI application in front of another.

    Args:
        app: that answers what is allowed.
        access: what is.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request or WebSocket."""
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
                message = {**message, "headers": [*message.get("headers", []), *extra]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    kind = "http"
    if scope["type"] == "websocket":
        await receive()  # that it wants to connect
        kind = "websocket.http"
    body = f"{refused.reason}\n".encode()
    headers = [*_HEADERS, (b"content-type", b"text/plain; charset=utf-8")]
    headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    start = {"type": f"{kind}.response.start", "status": refused.status, "headers": headers}
    await send(start)
    await send({"type": f"{kind}.response.body", "body": body})
