"""`/api/streams`: which streams there are, one more, one less."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streamfer.app.web.own_threads import CallLeft, OwnThreads
from streamfer.app.web.status import stream_status
from streamfer.errors import ConfigError, StreamferError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.types import StreamInfo

_LONGEST_BODY = 16_384
_LONGEST_SOURCE = 2_048
"""Characters; longer than any address or path that somebody types."""
_MOST_ADDED_AT_ONCE = 8
_BODY_TIMEOUT_S = 10.0


class LiveRun(Protocol):
    """The run that the page shows. Any thread may call it."""

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


class StreamsApi:
    """Lists, adds and removes the streams of a run.

    Args:
        run: whose streams.
        ending: set once the server ends.
    """

    def __init__(self, run: LiveRun, ending: asyncio.Event) -> None:
        self._run = run
        self._adding = OwnThreads(_MOST_ADDED_AT_ONCE, ending)

    @property
    def routes(self) -> list[Route]:
        """What it answers."""
        return [
            Route("/api/streams", self._list, methods=["GET"]),
            Route("/api/streams", self._add, methods=["POST"]),
            Route("/api/streams/{name:path}", self._remove, methods=["DELETE"]),
        ]

    async def _list(self, _: Request) -> Response:
        return JSONResponse([stream_status(s) for s in self._run.snapshot().streams])

    async def _add(self, request: Request) -> Response:
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                asked = await _json_object(request)
        except TimeoutError:
            return problem(408, "the body did not come")
        except ClientDisconnect:
            return problem(400, "the body did not come whole")  # to nobody
        except ValueError as error:
            return problem(400, str(error))
        source, name = asked.get("source"), asked.get("name")
        if not (isinstance(source, str) and isinstance(name, str | None)) or name == "":
            return problem(400, 'expected {"source": "…", "name": "…"?}')
        if not (_is_text(source) and _is_text(name or "")):
            return problem(400, "expected text; this holds characters that are none")
        if max(len(source), len(name or "")) > _LONGEST_SOURCE:
            return problem(400, f"a source has at most {_LONGEST_SOURCE} characters, a name too")
        try:
            info = await self._adding.call(self._run.add, source, name)
        except CallLeft as error:
            return problem(503, str(error))
        except StreamferError as error:
            return problem(400 if isinstance(error, ConfigError) else 422, str(error))
        for stream in self._run.snapshot().streams:
            if stream.info.stream == info.stream:
                return JSONResponse(stream_status(stream), 201)
        return problem(410, f"{info.stream} has been removed already")

    async def _remove(self, request: Request) -> Response:
        name = request.path_params["name"]
        if not await asyncio.to_thread(self._run.remove, name):
            return problem(404, f"there is no stream {name}")
        return Response(status_code=204)


def problem(status: int, message: str) -> Response:
    """An answer that says what is wrong."""
    return JSONResponse({"error": message}, status)


def _is_text(value: str) -> bool:
    """Whether it can be written down: JSON may hold halves of characters, and zeros."""
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


async def _json_object(request: Request) -> dict[str, Any]:
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
