"""`--web` of a run on a cluster: its streams and workers, without pictures."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from streamfer.app.address import parse_address
from streamfer.app.cluster.figures import ClusterFigures
from streamfer.app.cluster.metrics import ClusterMetrics
from streamfer.app.cluster.reports import StreamFigures
from streamfer.app.config import RunConfig
from streamfer.app.session.metrics import metrics_text
from streamfer.app.web.frames import LiveFrames
from streamfer.app.web.listening import WebConfig, listen
from streamfer.app.web.server import WebServer
from streamfer.errors import ConfigError
from streamfer.pipeline.stats.snapshots import RunSnapshot, StreamSnapshot
from streamfer.types import StreamInfo


class ClusterPage:
    """The live page of a run on a cluster; a context manager.

    Args:
        config: of the run, with `web`.
        figures: reads them; called by any thread.

    Raises:
        ConfigError: it cannot listen there, or the certificate is none.
    """

    def __init__(self, config: RunConfig, figures: Callable[[], ClusterFigures]) -> None:
        assert config.web is not None
        host, port = parse_address(config.web, "--web")
        certificate, key = config.web_tls or (None, None)
        web = WebConfig(host, port, certificate, key)
        self._stack = ExitStack()
        listening = self._stack.enter_context(listen(web))
        self._figures = figures
        routes = [Route("/api/cluster", self._cluster)]
        self._server = WebServer(web, ClusterRun(figures), LiveFrames(), listening, routes)

    @property
    def url(self) -> str:
        """Where it is, with the token if there is one."""
        return self._server.url

    def __enter__(self) -> Self:
        with self._stack as stack:
            stack.enter_context(self._server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def _cluster(self, _: Request) -> Response:
        """Workers, queue, rate, time left and failures."""
        return JSONResponse(self._figures().to_dict())


class ClusterRun:
    """A run on a cluster as the page sees it.

    Args:
        figures: reads them; called by any thread.
    """

    def __init__(self, figures: Callable[[], ClusterFigures]) -> None:
        self._figures = figures

    def snapshot(self) -> RunSnapshot:
        """What is on workers now, and what has failed."""
        figures = self._figures()
        streams = [
            _snapshot(stream, worker.node or "", live=figures.live)
            for worker in figures.workers
            for stream in worker.streams
        ]
        known = {stream.info.stream for stream in streams}
        streams += [
            _snapshot(StreamFigures(name, "failed", 0, 0, 0, 0.0, reason), "", live=figures.live)
            for name, reason in figures.failed.items()
            if name not in known
        ]
        return RunSnapshot(
            elapsed_s=figures.elapsed_s,
            seconds=figures.seconds,
            fps=figures.fps,
            frames=figures.frames,
            dropped=figures.dropped,
            faces=figures.faces,
            latency_ms=None,
            backend="cluster",
            device=f"{len(figures.workers)} workers",
            streams=tuple(streams),
        )

    def metrics(self) -> bytes:
        """The figures for Prometheus."""
        return metrics_text(ClusterMetrics(self._figures))

    def add(self, source: str, name: str | None) -> StreamInfo:
        """Refuses.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("a run on a cluster takes no further sources while it goes on")

    def remove(self, stream: str) -> bool:
        """Removes nothing."""
        return False


def _snapshot(stream: StreamFigures, node: str, *, live: bool) -> StreamSnapshot:
    return StreamSnapshot(
        info=StreamInfo(stream.stream, node, None, None, live),
        state=stream.state,
        time_s=0.0,
        decoded=stream.frames,
        frames=stream.frames,
        dropped=stream.dropped,
        faces=stream.faces,
        reconnects=0,
        fps_in=stream.fps,
        fps_out=stream.fps,
        queue_fill=0.0,
        latency_ms=None,
        current=(),
        tracks=(),
        message=stream.message,
    )
