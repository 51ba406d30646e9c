"""`--metrics HOST:PORT`: the run's figures for Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol, Self

from streamfer.app.address import parse_address
from streamfer.errors import OutputError
from streamfer.pipeline.stats.histogram import BOUNDS_S, HistogramSnapshot
from streamfer.pipeline.stats.snapshots import StreamSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import StreamState

if TYPE_CHECKING:  # takes 0.1 s to import, and few runs need it
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from prometheus_client import Metric

_STATES: tuple[StreamState, ...] = (
    "waiting", "connecting", "live", "running", "stalled", "reconnecting", "failed", "interrupted",
    "done",
)  # fmt: skip
_ENGINES = {"detector": "detect", "face": "classify"}
"""Engine to the stage that runs it."""
_COUNTERS: tuple[tuple[str, str, Callable[[StreamSnapshot], int]], ...] = (
    ("frames_in", "Decoded frames", lambda stream: stream.decoded),
    ("frames_analysed", "Analysed frames", lambda stream: stream.frames),
    ("frames_dropped", "Frames dropped for newer ones", lambda stream: stream.dropped),
    ("reconnects", "Times that the connection was lost", lambda stream: stream.reconnects),
    ("faces", "Face results over all frames", lambda stream: stream.faces),
)


class Collector(Protocol):
    """Gives a run's figures in the moment in which they are asked for."""

    def collect(self) -> Iterable[Metric]:
        """All families; called by the server's threads."""
        ...


class MetricsServer:
    """Serves the figures over HTTP for as long as the context lasts.

    Args:
        address: where to listen, as `parse_address` takes it.
        figures: of the run.

    Raises:
        ConfigError: the address is none.
        OutputError: it cannot be listened on.
    """

    def __init__(self, address: str, figures: Collector) -> None:
        from prometheus_client import CollectorRegistry, make_wsgi_app

        from streamfer.app.session.metrics_http import FiguresServer

        self._host, port = parse_address(address, "--metrics")
        registry = CollectorRegistry(auto_describe=False)
        registry.register(figures)
        try:
            app = _answering_head(make_wsgi_app(registry))
            self._server = FiguresServer(self._host, port, app)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"--metrics {address}: cannot listen there ({reason}); choose another port"
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        """Where the figures are."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._server.server_port}/metrics"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answering_head(app: WSGIApplication) -> WSGIApplication:
    """The application with HEAD, by which load balancers ask whether somebody is there."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "HEAD":
            return app(environ, start_response)
        for _ in app({**environ, "REQUEST_METHOD": "GET"}, start_response):
            pass
        return []

    return answer


def metrics_text(figures: Collector) -> bytes:
    """The figures now, as Prometheus reads them."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    registry.register(figures)
    return generate_latest(registry)


class RunMetrics:
    """Turns snapshots into Prometheus' metric families whenever it is asked.

    Args:
        statistics: of the run.
        times: of its stages.
    """

    def __init__(self, statistics: RunStatistics, times: StageTimes) -> None:
        self._statistics = statistics
        self._times = times

    def collect(self) -> Iterable[Metric]:
        """All families; called by the server's threads."""
        streams = self._statistics.snapshot().streams
        yield _states(streams)
        yield from _counters(streams)
        yield _events(streams)
        distributions = self._statistics.distributions()
        yield _histogram(
            "frame_age_seconds",
            "From leaving the decoder until the analysis begins",
            {name: figures.age for name, figures in distributions.items()},
        )
        yield _histogram(
            "latency_seconds",
            "From leaving the decoder until the result exists",
            {name: figures.latency for name, figures in distributions.items()},
        )
        yield from self._engines()

    def _engines(self) -> Iterable[Metric]:
        from prometheus_client.core import CounterMetricFamily

        times = self._times.snapshot()
        batches = CounterMetricFamily(
            "streamfer_engine_batches", "Batches that a network ran on", labels=["engine"]
        )
        items = CounterMetricFamily(
            "streamfer_engine_items", "Frames or faces in these batches", labels=["engine"]
        )
        seconds = CounterMetricFamily(
            "streamfer_engine_seconds", "Time spent on these batches", labels=["engine"]
        )
        for engine, stage in _ENGINES.items():
            if stage in times:
                batches.add_metric([engine], times[stage].calls)
                items.add_metric([engine], times[stage].items)
                seconds.add_metric([engine], times[stage].seconds)
        return batches, items, seconds


def _states(streams: Iterable[StreamSnapshot]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        "streamfer_stream_state",
        "1 for the state that the stream is in",
        labels=["stream", "state"],
    )
    for stream in streams:
        for state in _STATES:
            family.add_metric([stream.info.stream, state], float(stream.state == state))
    return family


def _counters(streams: tuple[StreamSnapshot, ...]) -> Iterable[Metric]:
    from prometheus_client.core import CounterMetricFamily

    for name, text, value in _COUNTERS:
        family = CounterMetricFamily(f"streamfer_{name}", text, labels=["stream"])
        for stream in streams:
            family.add_metric([stream.info.stream], value(stream))
        yield family


def _events(streams: Iterable[StreamSnapshot]) -> Metric:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(
        "streamfer_events", "What has happened", labels=["stream", "event"]
    )
    for stream in streams:
        for event, count in stream.events.items():
            family.add_metric([stream.info.stream, event], count)
    return family


def _histogram(name: str, text: str, values: Mapping[str, HistogramSnapshot]) -> Metric:
    from prometheus_client.core import HistogramMetricFamily

    family = HistogramMetricFamily(f"streamfer_{name}", text, labels=["stream"])
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    for stream, histogram in values.items():
        buckets = list(zip(bounds, histogram.cumulative, strict=True))
        family.add_metric([stream], buckets, histogram.sum_s)
    return family
