"""Connections of the live page's server, so few and so short that none can starve the run."""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_MOST = 256
"""Connections at once, WebSockets left out; file descriptors are the run's, too."""
_REQUEST_TIMEOUT_S = 10.0
"""How long a connection may say nothing that is a request, at its beginning and after an answer."""


class Connection(H11Protocol):
    """A connection that is refused where there are too many, or nothing is asked for."""

    _late: asyncio.TimerHandle | None = None
    _is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes it, or hangs up."""
        super().connection_made(transport)
        if len(self.connections) > _MOST:
            transport.abort()
            return
        self._begin_waiting()

    def data_received(self, data: bytes) -> None:
        """Takes a part of a request; uvicorn no longer asks for the rest of a second one."""
        super().data_received(data)
        if self._is_asked():
            self._stop_waiting()
        elif self._late is None and not self._is_websocket:
            self._begin_waiting()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """It asked for a WebSocket, and is another protocol's from here on."""
        self._is_websocket = True
        self._stop_waiting()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        self._late = self.loop.call_later(_REQUEST_TIMEOUT_S, self._hang_up_unless_asked)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_asked(self) -> bool:
        """Whether there is a request that has not been answered."""
        request: RequestResponseCycle | None = self.cycle
        return request is not None and not request.response_complete

    def _hang_up_unless_asked(self) -> None:
        self._late = None
        if not self._is_asked():
            self.transport.abort()
