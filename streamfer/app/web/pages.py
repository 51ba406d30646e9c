"""What the live page's server answers: the page, its WebSocket, and what stands beside them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamfer.app.web.api import LiveRun, StreamsApi, problem
from streamfer.app.web.client import Client
from streamfer.app.web.feeds import Feeds
from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.status import run_status
from streamfer.app.web.watchers import Watchers, wanted_views

_STATIC = Path(__file__).with_name("static")
_FILES = {
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    "page.js": "text/javascript",
    "tiles.js": "text/javascript",
    "single.js": "text/javascript",
    "events.js": "text/javascript",
    "drawing.js": "text/javascript",
    "curves.js": "text/javascript",
}
"""Everything that is served from the file system, by name."""
_STATUS_INTERVAL_S = 0.5
_MOST_CLIENTS = 64
_TRY_AGAIN_LATER = 1013
_PAUSE_S = 0.02
"""How long a page is not listened to after it has said something that nobody waited for."""


class Pages:
    """The application.

    Args:
        run: what it shows.
        frames: where its pictures come from.
        on_start: called once it answers.
        routes: what else it answers.
    """

    def __init__(
        self,
        run: LiveRun,
        frames: LiveFrames,
        on_start: Callable[[], None],
        routes: Sequence[Route] = (),
    ) -> None:
        self._routes = routes
        self._run = run
        self._frames = frames
        self._on_start = on_start
        self._watchers = Watchers(frames)
        self._executor = ThreadPoolExecutor(2, thread_name_prefix="web")
        self._ending = asyncio.Event()

    def application(self) -> Starlette:
        """The routes."""
        return Starlette(
            routes=[
                Route("/", self._index),
                Route("/static/{name}", self._static),
                *StreamsApi(self._run, self._ending).routes,
                *Feeds(self._run, self._watchers, self._executor, self._ending).routes,
                Route("/metrics", self._metrics),
                *self._routes,
                WebSocketRoute("/live", self._live),
            ],
            lifespan=self._lifespan,
        )

    def end(self) -> None:
        """Ends what has no end of its own; called in the event loop."""
        self._ending.set()

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()

        def in_loop(then: Callable[[Any], None]) -> Callable[[Any], None]:
            def hand_over(item: Any) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(then, item)

            return hand_over

        self._frames.on_frame = in_loop(self._watchers.frame)
        self._frames.on_event = in_loop(self._watchers.event)
        telling = asyncio.create_task(self._tell_status())
        self._on_start()
        try:
            yield
        finally:
            telling.cancel()
            await asyncio.gather(telling, return_exceptions=True)
            self._executor.shutdown()

    async def _tell_status(self) -> None:
        """Tells every page how the run does, while there is one."""
        while True:
            if len(self._watchers):
                self._watchers.tell({"type": "status", **run_status(self._run.snapshot())})
            await asyncio.sleep(_STATUS_INTERVAL_S)

    async def _index(self, _: Request) -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return problem(404, "there is no such file")
        return FileResponse(_STATIC / name, media_type=_FILES[name])

    async def _metrics(self, _: Request) -> Response:
        return Response(
            await asyncio.to_thread(self._run.metrics),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        if len(self._watchers) >= _MOST_CLIENTS:
            await socket.close(_TRY_AGAIN_LATER, "too many pages are open")
            return
        client = Client(socket, self._executor)
        self._watchers.add(client)
        client.tell({"type": "status", **run_status(self._run.snapshot())})
        tasks = {
            asyncio.create_task(client.send()),
            asyncio.create_task(self._listen(socket, client)),
            asyncio.create_task(self._ending.wait()),
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._watchers.remove(client)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is gone already
                await socket.close()

    async def _listen(self, socket: WebSocket, client: Client) -> None:
        """Takes what a page says; ends when it has gone, or says what it should not."""
        wrong = (ValueError, KeyError, TypeError, RecursionError)
        with contextlib.suppress(WebSocketDisconnect, *wrong):
            while True:
                said = json.loads(await socket.receive_text())
                if "ack" in said:
                    expected = self._watchers.acknowledged(client, str(said["ack"]))
                else:
                    self._watchers.set_views(client, wanted_views(said["watch"]))
                    expected = False
                if not expected:  # who talks without end must not take the run's time
                    await asyncio.sleep(_PAUSE_S)
