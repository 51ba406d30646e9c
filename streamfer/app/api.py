"""`streamfer.analyze`: the pipeline as an iterator of results."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import open_models
from streamfer.app.session.build import (
    RunParts,
    background_builds,
    build_pipeline,
    latent_writer,
    open_record_writer,
    running_refiner,
)
from streamfer.app.session.outputs import check_run_outputs
from streamfer.app.session.sources import LiveReports, OpenedStream, open_streams
from streamfer.media.sources.source_list import expand_sources
from streamfer.pipeline.channel import Channel, ChannelClosed, ChannelGroup
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FrameResult, StreamEvent
from streamfer.vision.overlay.overlay import Overlay

_WAITING_RESULTS = 4
"""Results that wait for a slow caller; files wait behind them, live sources drop."""


def analyze(*sources: str, **options: Any) -> Iterator[FrameResult]:
    """Analyses sources in the background and yields every frame's result.

    Files are analysed without loss, as fast as the caller takes the results; live sources stay
    fresh and drop what the caller is too slow for. Leaving the loop stops everything.

    Args:
        sources: paths, URLs, camera numbers …, as on the command line.
        options: any field of `streamfer.app.config.RunConfig`, such as `max_frames=100`.

    Yields:
        Results in order per stream; `result.frame.stream` says which.

    Raises:
        StreamferError: the sources or options are wrong, or a stage or a source failed.
    """
    config = RunConfig(source=sources, **{"display": False, "quiet": True, **options})
    reports = LiveReports()
    with ExitStack() as stack:
        specs = expand_sources(config.source)
        check_run_outputs(config, specs)
        streams = open_streams(specs, config, reports)
        for stream in streams:
            stack.callback(stream.source.close)
        yield from _run(config, streams, reports, stack)


def _run(
    config: RunConfig, streams: list[OpenedStream], reports: LiveReports, stack: ExitStack
) -> Iterator[FrameResult]:
    live = any(stream.info.live for stream in streams)
    models = stack.enter_context(
        closing(open_models(config, EngineStore(), lambda *_: None, at_once=live))
    )
    refiner = stack.enter_context(running_refiner(config, models))
    builds = stack.enter_context(background_builds(models, streams))
    statistics = RunStatistics(time.monotonic, models.face.backend, models.face.device)
    records = open_record_writer(config, models, [stream.info for stream in streams])
    if records is not None:
        stack.callback(records.close)
    results = Channel[FrameResult](ChannelGroup(), _WAITING_RESULTS)
    parts = RunParts(
        config,
        statistics,
        StageTimes(),
        Overlay(),
        records,
        feed=None,
        latents=stack.enter_context(latent_writer(config)),
        refiner=refiner,
        extra=_ResultSink(results),
        builds=builds,
        announce=reports.announce,
    )
    pipeline = build_pipeline(parts, streams, models)
    reports.connect(pipeline, statistics)
    worker = _Worker(pipeline, results)
    worker.start()
    try:
        while True:
            yield results.get()
    except ChannelClosed:
        pass
    finally:
        worker.abandon()
    worker.raise_failure()


class _ResultSink:
    """Hands results to the caller's channel."""

    name = "caller"

    def __init__(self, results: Channel[FrameResult]) -> None:
        self._results = results

    def write(self, result: FrameResult) -> None:
        """Waits until the caller has room."""
        self._results.put(result)

    def event(self, event: StreamEvent) -> None:
        """Events are not results."""

    def close(self) -> None:
        """The channel ends with the run."""


class _Worker:
    """Runs the pipeline in a thread of its own."""

    def __init__(self, pipeline: Pipeline, results: Channel[FrameResult]) -> None:
        self._pipeline = pipeline
        self._results = results
        self._abandoned = threading.Event()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="streamfer.analyze")

    def start(self) -> None:
        """Starts the run."""
        self._thread.start()

    def abandon(self) -> None:
        """Stops the run, if it still goes on, and waits for its end."""
        self._abandoned.set()
        self._results.cancel()
        self._thread.join()

    def raise_failure(self) -> None:
        """Raises what ended the run early, if anything did."""
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            with self._pipeline:
                outcome = self._pipeline.run(self._tick)
            for _, error in (*outcome.source_failures, *outcome.output_failures):
                self._failure = error
                break
        except Exception as error:
            self._failure = error
        finally:
            self._results.close()

    def _tick(self) -> None:
        if self._abandoned.is_set():
            self._pipeline.abort()
