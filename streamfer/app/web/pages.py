"""What the live page's server answers: the page, its WebSocket, pictures, events and the API."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from streamfer.app.web.frames import LiveFrames, View
from streamfer.app.web.status import run_status, stream_status
from streamfer.app.web.watchers import Client, Watchers, wanted_views
from streamfer.errors import ConfigError, StreamferError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import StreamEvent, StreamInfo

_STATIC = Path(__file__).with_name("static")
_FILES = {
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    "page.js": "text/javascript",
    "tiles.js": "text/javascript",
    "single.js": "text/javascript",
    "drawing.js": "text/javascript",
    "curves.js": "text/javascript",
}
"""Everything that is served from the file system, by name."""
_STATUS_INTERVAL_S = 0.5
_FRAME_TIMEOUT_S = 5.0
_MOST_CLIENTS = 64
_LONGEST_BODY = 16_384
_LONGEST_WAITING = 100
"""Events that wait for a slow listener."""


class LiveRun(Protocol):
    """The run that the page shows."""

    def snapshot(self) -> RunSnapshot:
        """Its figures now."""
        ...

    def metrics(self) -> bytes:
        """Its figures for Prometheus."""
        ...

    def add(self, source: str, name: str | None) -> StreamInfo:
        """Takes one more source in; blocks while it is opened.

        Raises:
            StreamferError: it cannot be.
        """
        ...

    def remove(self, stream: str) -> bool:
        """Takes a stream out; whether there was one."""
        ...


class Pages:
    """The application.

    Args:
        run: what it shows.
        frames: where its pictures come from.
        on_start: called once it answers.
    """

    def __init__(self, run: LiveRun, frames: LiveFrames, on_start: Callable[[], None]) -> None:
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
                Route("/api/streams", self._list_streams, methods=["GET"]),
                Route("/api/streams", self._add_stream, methods=["POST"]),
                Route("/api/streams/{name:path}", self._remove_stream, methods=["DELETE"]),
                Route("/snapshot/{name:path}", self._snapshot),
                Route("/mjpeg/{name:path}", self._mjpeg),
                Route("/events", self._events),
                Route("/metrics", self._metrics),
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
            self._executor.shutdown()

    async def _tell_status(self) -> None:
        while True:
            self._watchers.tell({"type": "status", **run_status(self._run.snapshot())})
            await asyncio.sleep(_STATUS_INTERVAL_S)

    async def _index(self, _: Request) -> Response:
        return FileResponse(_STATIC / "index.html", media_type="text/html")

    async def _static(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in _FILES:
            return _problem(404, "there is no such file")
        return FileResponse(_STATIC / name, media_type=_FILES[name])

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        if len(self._watchers) >= _MOST_CLIENTS:
            await socket.close(1013, "too many pages are open")
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
        with contextlib.suppress(WebSocketDisconnect, ValueError, KeyError, TypeError):
            while True:
                said = json.loads(await socket.receive_text())
                if "ack" in said:
                    client.acknowledged(str(said["ack"]))
                else:
                    self._watchers.set_views(client, wanted_views(said["watch"]))

    async def _list_streams(self, _: Request) -> Response:
        return JSONResponse([stream_status(s) for s in self._run.snapshot().streams])

    async def _add_stream(self, request: Request) -> Response:
        try:
            asked = await _json_body(request)
        except ValueError as error:
            return _problem(400, str(error))
        source, name = asked.get("source"), asked.get("name")
        if not isinstance(source, str) or not isinstance(name, str | None):
            return _problem(400, 'expected {"source": "…", "name": "…"?}')
        try:
            info = await asyncio.to_thread(self._run.add, source, name)
        except StreamferError as error:
            return _problem(400 if isinstance(error, ConfigError) else 422, str(error))
        for stream in self._run.snapshot().streams:
            if stream.info.stream == info.stream:
                return JSONResponse(stream_status(stream), 201)
        return _problem(410, f"{info.stream} has ended already")

    async def _remove_stream(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await asyncio.to_thread(self._run.remove, name):
            return _problem(404, f"there is no stream {name}")
        return Response(status_code=204)

    async def _snapshot(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not name.endswith(".jpg") or not self._has(name.removesuffix(".jpg")):
            return _problem(404, f"there is no stream {name.removesuffix('.jpg')}")
        jpeg = await self._next_jpeg(View(name.removesuffix(".jpg"), drawn=True))
        if jpeg is None:
            return _problem(409, f"no picture comes from {name.removesuffix('.jpg')} now")
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "no-store"})

    async def _mjpeg(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not self._has(name):
            return _problem(404, f"there is no stream {name}")
        view = View(name, drawn=True)

        async def parts() -> AsyncIterator[bytes]:
            while not self._ending.is_set() and self._has(name):
                jpeg = await self._next_jpeg(view)
                if jpeg is not None:
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}"
                    yield head.encode() + b"\r\n\r\n" + jpeg + b"\r\n"

        return StreamingResponse(parts(), media_type="multipart/x-mixed-replace; boundary=frame")

    async def _events(self, _: Request) -> Response:
        queue: asyncio.Queue[StreamEvent] = asyncio.Queue(maxsize=_LONGEST_WAITING)

        def take(event: StreamEvent) -> None:
            if not queue.full():
                queue.put_nowait(event)

        async def lines() -> AsyncIterator[bytes]:
            stop = self._watchers.listen(take)
            try:
                yield b": events follow\n\n"
                while True:
                    event = await self._unless_ending(queue.get())
                    if event is None:
                        return
                    yield b"data: " + json.dumps(event.to_dict()).encode() + b"\n\n"
            finally:
                stop()

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def _metrics(self, _: Request) -> Response:
        return Response(
            await asyncio.to_thread(self._run.metrics),
            media_type="text/plain; version=0.0.4; charset=utf-8",
        )

    async def _next_jpeg(self, view: View) -> bytes | None:
        """None where no frame comes soon, or the run ends."""
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

    def _has(self, name: str) -> bool:
        return any(stream.info.stream == name for stream in self._run.snapshot().streams)


async def _json_body(request: Request) -> dict[str, Any]:
    """The body of a request.

    Raises:
        ValueError: it is too long, no JSON, or no object.
    """
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ValueError("expected Content-Type: application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise ValueError(f"expected at most {_LONGEST_BODY} bytes")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("expected JSON") from None
    if not isinstance(asked, dict):
        raise ValueError("expected an object")
    return asked


def _problem(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status)
