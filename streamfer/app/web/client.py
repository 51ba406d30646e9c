"""One open page: takes the newest frame of each stream whenever it is ready for one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import Any, Protocol

from streamfer.app.web.frames import LiveFrame, View

_ASLEEP_AFTER_S = 2.0
"""A page that has not taken a frame for so long gets no further ones made for it."""
_MOST_TEXTS = 64
"""Messages that wait for a slow page."""


class Socket(Protocol):
    """What a page is sent things by."""

    async def send_text(self, data: str) -> None:
        """Sends a message."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Sends a frame."""
        ...


class Client:
    """One open page. Everything here runs in the server's event loop.

    Args:
        socket: its WebSocket.
        executor: where pictures are encoded.
    """

    def __init__(self, socket: Socket, executor: Executor) -> None:
        self.views: frozenset[View] = frozenset()
        """What it watches."""
        self.paused: set[View] = set()
        """Of those, the ones that it is too slow for: no frames are made for it."""
        self._socket = socket
        self._executor = executor
        self._in_flight: dict[str, float] = {}
        """Streams of which a frame is on its way and not acknowledged, and since when."""
        self._waiting: dict[str, LiveFrame] = {}
        """The newest frame of those, if a newer one has come."""
        self._texts: asyncio.Queue[str] = asyncio.Queue(_MOST_TEXTS)
        self._ready = asyncio.Event()

    def offer(self, frame: LiveFrame) -> None:
        """Takes a frame, in the place of one that still waits."""
        self._waiting[frame.view.stream] = frame
        if frame.view.stream not in self._in_flight:
            self._ready.set()

    def is_asleep(self, stream: str) -> bool:
        """Whether a frame of the stream has been on its way for long."""
        since_s = self._in_flight.get(stream)
        now_s = asyncio.get_running_loop().time()
        return since_s is not None and now_s - since_s > _ASLEEP_AFTER_S

    def tell(self, message: Mapping[str, Any]) -> None:
        """Takes a message; a page that is far behind misses some."""
        if not self._texts.full():
            self._texts.put_nowait(json.dumps(message))
            self._ready.set()

    def acknowledged(self, stream: str) -> bool:
        """The page is ready for the stream's next frame; whether one was on its way."""
        was_in_flight = self._in_flight.pop(stream, None) is not None
        if stream in self._waiting:
            self._ready.set()
        return was_in_flight

    def forget_waiting(self, stream: str) -> None:
        """Lets go of a stream's frame that has not been sent."""
        self._waiting.pop(stream, None)

    async def send(self) -> None:
        """Sends whatever comes, until it is cancelled or the page is gone."""
        loop = asyncio.get_running_loop()
        while True:
            await self._ready.wait()
            self._ready.clear()
            while not self._texts.empty():
                await self._socket.send_text(self._texts.get_nowait())
            for stream in [s for s in self._waiting if s not in self._in_flight]:
                frame = self._waiting.pop(stream, None)
                if frame is None:  # it was forgotten meanwhile
                    continue
                self._in_flight[stream] = loop.time()
                message = await loop.run_in_executor(self._executor, frame.message)
                await self._socket.send_bytes(message)
