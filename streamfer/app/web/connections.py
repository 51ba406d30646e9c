"""Connections of the live page's server, so few and so short that none can starve the run."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

_MOST = 256
"""Connections at once, WebSockets left out; file descriptors are the run's, too."""
_REQUEST_TIMEOUT_S = 10.0
"""How long a connection may say nothing that is a request."""


class Connection(H11Protocol):
    """A connection that is refused where there are too many, or nothing is asked for."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes it, or hangs up."""
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            transport.abort()
            return
        self._late = self.loop.call_later(_REQUEST_TIMEOUT_S, self._hang_up_unless_asked)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It asked for a WebSocket, and is another protocol's from here on."""
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()

    def _hang_up_unless_asked(self) -> None:
        request: object = self.cycle
        if request is None:
            self.transport.abort()
