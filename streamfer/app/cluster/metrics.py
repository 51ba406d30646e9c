"""A cluster's figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from streamfer.app.cluster.figures import ClusterFigures

if TYPE_CHECKING:
    from prometheus_client import Metric


class ClusterMetrics:
    """Turns the figures into Prometheus' metric families whenever it is asked.

    Args:
        figures: reads them; called by any thread.
    """

    def __init__(self, figures: Callable[[], ClusterFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """All families."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        figures = self._figures()
        units = GaugeMetricFamily(
            "streamfer_cluster_units",
            "Files or cameras by what has become of them",
            labels=["state"],
        )
        states = (
            ("waiting", figures.waiting),
            ("running", figures.running),
            ("done", figures.done),
            ("failed", len(figures.failed)),
        )
        for state, count in states:
            units.add_metric([state], count)
        yield units
        workers = GaugeMetricFamily(
            "streamfer_cluster_workers", "Workers by what they are at", labels=["state"]
        )
        ready = sum(worker.node is not None for worker in figures.workers)
        workers.add_metric(["ready"], ready)
        workers.add_metric(["starting"], len(figures.workers) - ready)
        yield workers
        rate = GaugeMetricFamily(
            "streamfer_cluster_fps", "Analysed frames/s of a worker", labels=["worker"]
        )
        for worker in figures.workers:
            if worker.node is not None:
                rate.add_metric([worker.node], worker.fps)
        yield rate
        yield CounterMetricFamily(
            "streamfer_cluster_workers_lost", "Workers that were lost", figures.lost
        )
        yield CounterMetricFamily(
            "streamfer_cluster_moved", "Files tried again, cameras moved", figures.moved
        )
        yield CounterMetricFamily(
            "streamfer_cluster_frames", "Analysed frames, all workers", figures.frames
        )
        if figures.eta_s is not None:
            yield GaugeMetricFamily(
                "streamfer_cluster_eta_seconds", "Until the end at the rate so far", figures.eta_s
            )
