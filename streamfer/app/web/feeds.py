"""What other programs watch a run by: `/snapshot`, `/mjpeg`, `/events`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable
from concurrent.futures import Executor
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from streamfer.app.web.api import LiveRun, problem
from streamfer.app.web.frames import View
from streamfer.app.web.watchers import Watchers
from streamfer.types import StreamEvent

_FRAME_TIMEOUT_S = 5.0
_HEARTBEAT_S = 15.0
"""How often a connection without events shows that it is alive; a dead one is found by that."""
_MOST_EVENTS = 100
"""Events that wait for a slow listener."""
_OVER = frozenset({"done", "failed", "interrupted"})


class Feeds:
    """Pictures and events for whoever asks.

    Args:
        run: whose.
        watchers: through which they come.
        executor: where pictures are encoded.
        ending: set once the server ends.
    """

    def __init__(
        self, run: LiveRun, watchers: Watchers, executor: Executor, ending: asyncio.Event
    ) -> None:
        self._run = run
        self._watchers = watchers
        self._executor = executor
        self._ending = ending

    @property
    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/snapshot/{name:path}", self._snapshot),
            Route("/mjpeg/{name:path}", self._mjpeg),
            Route("/events", self._events),
        ]

    async def _snapshot(self, request: Request) -> Response:
        file: str = request.path_params["name"]
        name = file.removesuffix(".jpg")
        if name == file or self._state(name) is None:
            return problem(404, f"there is no picture {file}")
        jpeg = None if self._state(name) in _OVER else await self._next_jpeg(View(name, drawn=True))
        if jpeg is None:
            return problem(503, f"no picture comes from {name} now")
        return Response(jpeg, media_type="image/jpeg")

    async def _mjpeg(self, request: Request) -> Response:
        name = request.path_params["name"]
        if self._state(name) is None:
            return problem(404, f"there is no stream {name}")

        async def parts() -> AsyncIterator[bytes]:
            while not self._ending.is_set() and self._state(name) not in {None, *_OVER}:
                jpeg = await self._next_jpeg(View(name, drawn=True))
                if jpeg is not None:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    yield head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"

        return StreamingResponse(parts(), media_type="multipart/x-mixed-replace; boundary=frame")

    async def _events(self, _: Request) -> Response:
        queue: asyncio.Queue[StreamEvent] = asyncio.Queue(_MOST_EVENTS)

        def take(event: StreamEvent) -> None:
            if not queue.full():
                queue.put_nowait(event)

        async def lines() -> AsyncIterator[bytes]:
            stop = self._watchers.listen(take)
            try:
                yield b": events follow\n\n"
                while not self._ending.is_set():
                    try:
                        waiting = asyncio.wait_for(queue.get(), _HEARTBEAT_S)
                        event = await self._unless_ending(waiting)
                    except TimeoutError:
                        yield b": nothing new\n\n"
                        continue
                    if event is not None:
                        yield b"data: " + json.dumps(event.to_dict()).encode() + b"\n\n"
            finally:
                stop()

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def _next_jpeg(self, view: View) -> bytes | None:
        """None where no frame comes soon, or the server ends."""
        waiting = self._watchers.next_frame(view, _FRAME_TIMEOUT_S)
        try:
            frame = await self._unless_ending(waiting)
        except TimeoutError:
            return None
        if frame is None:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._executor, frame.jpeg)

    async def _unless_ending(self, awaitable: Awaitable[Any]) -> Any:
        """What it gives; None once the server ends."""
        task = asyncio.ensure_future(awaitable)
        ending = asyncio.create_task(self._ending.wait())
        try:
            await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            for each in (task, ending):
                each.cancel()
            await asyncio.gather(task, ending, return_exceptions=True)

    def _state(self, name: str) -> str | None:
        """The state of a stream; None where there is none of that name."""
        streams = self._run.snapshot().streams
        return next((stream.state for stream in streams if stream.info.stream == name), None)
