"""Who watches what: hands every client the newest frame that it is ready for, never an older one.

Everything here runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any

from starlette.websockets import WebSocket

from streamfer.app.web.frames import LiveFrame, LiveFrames, View
from streamfer.types import StreamEvent

TILE_SIDE = 480
"""Longer side of a tile's picture, in pixels."""
TILE_INTERVAL_S = 1 / 8
FULL_SIDE = 1280
"""Longer side of the picture of a stream that is looked at alone, in pixels."""
_LONGEST_LIST = 256
"""Streams that one page may watch."""


class Client:
    """One open page.

    Args:
        socket: its WebSocket.
        executor: where pictures are encoded.
    """

    def __init__(self, socket: WebSocket, executor: Executor) -> None:
        self.views: frozenset[View] = frozenset()
        self._socket = socket
        self._executor = executor
        self._in_flight: set[str] = set()
        """Streams of which a frame is on its way and not acknowledged."""
        self._waiting: dict[str, LiveFrame] = {}
        """The newest frame of those, if a newer one has come."""
        self._texts: asyncio.Queue[str] = asyncio.Queue(maxsize=64)
        self._ready = asyncio.Event()

    def offer(self, frame: LiveFrame) -> None:
        """Takes a frame, in the place of one that still waits."""
        self._waiting[frame.view.stream] = frame
        if frame.view.stream not in self._in_flight:
            self._ready.set()

    def tell(self, message: Mapping[str, Any]) -> None:
        """Takes a message; a client that is far behind misses some."""
        if not self._texts.full():
            self._texts.put_nowait(json.dumps(message))
            self._ready.set()

    def acknowledged(self, stream: str) -> None:
        """The client is ready for the stream's next frame."""
        self._in_flight.discard(stream)
        if stream in self._waiting:
            self._ready.set()

    async def send(self) -> None:
        """Sends whatever comes, until it is cancelled or the page is gone."""
        loop = asyncio.get_running_loop()
        while True:
            await self._ready.wait()
            self._ready.clear()
            while not self._texts.empty():
                await self._socket.send_text(self._texts.get_nowait())
            for stream in [s for s in self._waiting if s not in self._in_flight]:
                frame = self._waiting.pop(stream)
                if frame.view not in self.views:
                    continue
                self._in_flight.add(stream)
                jpeg = await loop.run_in_executor(self._executor, frame.jpeg)
                await self._socket.send_bytes(message(frame, jpeg))


def message(frame: LiveFrame, jpeg: bytes) -> bytes:
    """`[length of the JSON, 4 bytes, big-endian][JSON record][JPEG]`."""
    record = json.dumps(frame.record, separators=(",", ":")).encode()
    return struct.pack(">I", len(record)) + record + jpeg


class Watchers:
    """All open pages and streams of pictures.

    Args:
        frames: where frames come from.
    """

    def __init__(self, frames: LiveFrames) -> None:
        self._frames = frames
        self._clients: set[Client] = set()
        self._listeners: set[Callable[[StreamEvent], None]] = set()
        self._once: dict[View, list[asyncio.Future[LiveFrame]]] = {}
        self._views: Counter[View] = Counter()

    def __len__(self) -> int:
        """Open pages."""
        return len(self._clients)

    def add(self, client: Client) -> None:
        """A page has been opened."""
        self._clients.add(client)

    def remove(self, client: Client) -> None:
        """A page has been closed."""
        self.set_views(client, ())
        self._clients.discard(client)

    def set_views(self, client: Client, views: Sequence[View]) -> None:
        """Changes what a page watches."""
        before, client.views = client.views, frozenset(views)
        for view in client.views - before:
            self._begin(view, TILE_INTERVAL_S if view.long_side == TILE_SIDE else 0.0)
        for view in before - client.views:
            self._end(view)

    def listen(self, listener: Callable[[StreamEvent], None]) -> Callable[[], None]:
        """Hands events to a listener; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def next_frame(self, view: View, timeout_s: float) -> LiveFrame:
        """The next frame of a view.

        Raises:
            TimeoutError: none has come.
        """
        future: asyncio.Future[LiveFrame] = asyncio.get_running_loop().create_future()
        self._once.setdefault(view, []).append(future)
        self._begin(view, 0.0)
        try:
            return await asyncio.wait_for(future, timeout_s)
        finally:
            self._end(view)

    def frame(self, frame: LiveFrame) -> None:
        """Takes a frame to those who watch it."""
        for future in self._once.pop(frame.view, ()):
            if not future.done():
                future.set_result(frame)
        for client in self._clients:
            if frame.view in client.views:
                client.offer(frame)

    def event(self, event: StreamEvent) -> None:
        """Takes an event to everybody."""
        for client in self._clients:
            client.tell({"type": "event", **event.to_dict()})
        for listener in list(self._listeners):
            listener(event)

    def tell(self, message: Mapping[str, Any]) -> None:
        """Takes a message to every page."""
        for client in self._clients:
            client.tell(message)

    def _begin(self, view: View, interval_s: float) -> None:
        self._views[view] += 1
        if self._views[view] == 1:
            self._frames.watch(view, interval_s)

    def _end(self, view: View) -> None:
        self._views[view] -= 1
        if self._views[view] <= 0:
            del self._views[view]
            self._frames.unwatch(view)


def wanted_views(request: Mapping[str, Any]) -> list[View]:
    """The views that a page asks for: `{"tiles": [names], "stream": name or null}`.

    Raises:
        ValueError: it asks for something else.
    """
    tiles, chosen = request.get("tiles", []), request.get("stream")
    if not isinstance(tiles, list) or len(tiles) > _LONGEST_LIST:
        raise ValueError("tiles: expected a list of names")
    if not all(isinstance(name, str) for name in tiles):
        raise ValueError("tiles: expected a list of names")
    views = [View(name, TILE_SIDE) for name in tiles if name != chosen]
    if isinstance(chosen, str):
        views.append(View(chosen, FULL_SIDE, details=True))
    return views
