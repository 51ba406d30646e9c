"""Who watches what: frames are made for those who are ready for them, and for nobody else.

Everything here runs in the server's event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from streamfer.app.web.client import Client
from streamfer.app.web.frames import LiveFrame, LiveFrames, View
from streamfer.types import StreamEvent

TILE_SIDE = 480
"""Longer side of a tile's picture, in pixels."""
TILE_INTERVAL_S = 1 / 8
FULL_SIDE = 1280
"""Longer side of the picture of a stream that is looked at alone, in pixels."""
_LONGEST_LIST = 256
"""Streams that one page may watch."""


class Watchers:
    """All open pages and streams of pictures.

    Args:
        frames: where frames come from.
    """

    def __init__(self, frames: LiveFrames) -> None:
        self._frames = frames
        self._clients: set[Client] = set()
        self._listeners: set[Callable[[StreamEvent], None]] = set()
        self._once: dict[View, set[asyncio.Future[LiveFrame]]] = {}
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
        for view in before - client.views:
            client.forget_waiting(view.stream)
        for view in client.views - before:
            self._begin(view)
        for view in before - client.views:
            self._pause(client, view)
        client.paused &= client.views

    def acknowledged(self, client: Client, stream: str) -> bool:
        """A page is ready for a stream's next frame; whether it was sent one."""
        expected = client.acknowledged(stream)
        for view in [view for view in client.paused if view.stream == stream]:
            client.paused.remove(view)
            self._begin(view)
        return expected

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
        waiting = self._once.setdefault(view, set())
        waiting.add(future)
        self._begin(view)
        try:
            return await asyncio.wait_for(future, timeout_s)
        finally:
            waiting.discard(future)
            if not waiting and self._once.get(view) is waiting:
                del self._once[view]
            self._end(view)

    def frame(self, frame: LiveFrame) -> None:
        """Takes a frame to those who watch it."""
        for future in self._once.pop(frame.view, ()):
            if not future.done():
                future.set_result(frame)
        for client in self._clients:
            if frame.view not in client.views - client.paused:
                continue
            if client.is_asleep(frame.view.stream):
                client.forget_waiting(frame.view.stream)  # it would be old when it wakes
                self._pause(client, frame.view)
            else:
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

    def _pause(self, client: Client, view: View) -> None:
        """Makes no more frames of a view for a page."""
        if view not in client.paused:
            client.paused.add(view)
            self._end(view)

    def _begin(self, view: View) -> None:
        self._views[view] += 1
        if self._views[view] == 1:
            self._frames.watch(view, TILE_INTERVAL_S if view.long_side == TILE_SIDE else 0.0)

    def _end(self, view: View) -> None:
        self._views[view] -= 1
        if self._views[view] == 0:
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
