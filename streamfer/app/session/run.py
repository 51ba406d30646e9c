"""`streamfer run`: from a configuration to an exit code."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import cv2  # noqa: F401  before PyAV, or windows hang: see media/sources/screen_relay.py
from rich.console import Console

from streamfer.app.config import RunConfig
from streamfer.app.networks.models import Models, open_models
from streamfer.app.session.build import (
    RunParts,
    background_builds,
    build_pipeline,
    frame_sizes_wh,
    latent_writer,
    open_record_writer,
    running_refiner,
)
from streamfer.app.session.heaps import share_heaps
from streamfer.app.session.metrics import MetricsServer
from streamfer.app.session.outputs import check_run_outputs, write_text
from streamfer.app.session.resume import Resumption, resume
from streamfer.app.session.segments import Segments
from streamfer.app.session.signals import StopSignals
from streamfer.app.session.sinks import WindowFeed
from streamfer.app.session.sources import LiveReports, OpenedStream, open_streams
from streamfer.app.session.summary import summarise, write_summary
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.app.terminal.live_view import LiveView, print_summary
from streamfer.app.terminal.logs import complain, configure_logging
from streamfer.app.terminal.viewer import Viewer, wants_window
from streamfer.media.sources.source_list import expand_sources
from streamfer.pipeline.pipeline import Pipeline, RunOutcome
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.runtime.store.store import EngineStore
from streamfer.vision.overlay.overlay import Overlay

log = logging.getLogger(__name__)

INTERRUPTED = 130
"""Exit code of a run that a signal ended."""
_DEFAULT_SOURCE = "0"


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """A run that has ended by itself or on request."""

    outcome: RunOutcome
    snapshot: RunSnapshot


def run(config: RunConfig) -> int:
    """Runs the program.

    Returns:
        The exit code.

    Raises:
        StreamferError: it could not start, or a stage failed.
    """
    share_heaps()
    console = Console(quiet=config.quiet)
    # Where both are the terminal, the log must know of the live view to stay above it.
    shared = console.is_terminal and sys.stderr.isatty() and not config.quiet
    configure_logging(config.log_level, console if shared else Console(stderr=True))
    with StopSignals() as signals, ExitStack() as stack:
        resumption = _prepare(config)
        if not resumption.specs:
            console.print("nothing to do: every output is complete")
            return 0
        reports = LiveReports()
        streams = open_streams(resumption.specs, config, reports)
        for stream in streams:
            stack.callback(stream.source.close)
        live = any(stream.info.live for stream in streams)
        models = load_models(config, console, at_once=live, stopped=lambda: signals.count > 0)
        stack.callback(models.close)
        if signals.count:
            return INTERRUPTED
        finished = analyse(config, streams, models, reports, signals, console, resumption)
    return _report(finished)


def load_models(
    config: RunConfig,
    console: Console,
    *,
    at_once: bool = False,
    stopped: Callable[[], bool] = lambda: False,
) -> Models:
    """Opens the networks, showing what takes a while on a first start.

    Args:
        config: names them.
        console: where to.
        at_once: whether live streams wait, so that what takes long is left for later.
        stopped: whether the user has had enough, so that what takes long is given up.
    """
    with BuildProgress(console, config.quiet) as progress:
        store = EngineStore(notify=progress.note)

        def report(step: str, fraction: float) -> None:
            if stopped():
                store.cancelled.set()
            progress.report(step, fraction)

        return open_models(config, store, report, at_once=at_once)


def analyse(
    config: RunConfig,
    streams: Sequence[OpenedStream],
    models: Models,
    reports: LiveReports,
    signals: StopSignals,
    console: Console,
    resumption: Resumption | None = None,
    times: StageTimes | None = None,
) -> Finished:
    """Runs opened streams to their ends, with every view and output that is configured.

    Raises:
        StreamferError: a stage failed; outputs are closed and playable.
    """
    statistics = RunStatistics(time.monotonic, models.face.backend, models.face.device)
    feed = WindowFeed() if wants_window(config.display, console) else None
    with ExitStack() as stack:
        refiner = stack.enter_context(running_refiner(config, models))  # first: it takes a while
        models.warm_up(frame_sizes_wh(streams))
        # Before the outputs, so that these are closed when a busy compiler is waited for.
        builds = stack.enter_context(background_builds(models, streams))
        done = resumption.done if resumption else ()
        infos = [*done, *(stream.info for stream in streams)]
        records = open_record_writer(config, models, infos)
        if records is not None:
            stack.callback(records.close)
            if resumption is not None:
                resumption.restore(records)
        parts = RunParts(
            config,
            statistics,
            times or StageTimes(),
            Overlay(),
            records,
            feed,
            latents=stack.enter_context(latent_writer(config)),
            refiner=refiner,
            segments=Segments(config.segment or math.inf),
            builds=builds,
            announce=reports.announce,
        )
        pipeline = build_pipeline(parts, streams, models)
        reports.connect(pipeline, statistics)
        if config.metrics is not None:
            stack.enter_context(MetricsServer(config.metrics, statistics, parts.times))
        viewer = stack.enter_context(Viewer(feed, config.snapshot_dir, console))
        view = stack.enter_context(LiveView(statistics.snapshot, console))
        with pipeline:
            outcome = pipeline.run(_tick(pipeline, signals, viewer, view))
        for thread in pipeline.stuck_threads:
            log.warning("%s does not answer; the program ends without it", thread)
    snapshot = statistics.snapshot()
    _conclude(parts, snapshot, console)
    return Finished(outcome, snapshot)


def _conclude(parts: RunParts, snapshot: RunSnapshot, console: Console) -> None:
    """Says what a run has seen and written."""
    config = parts.config
    if parts.refiner is not None and parts.refiner.given_up is not None:
        parts.notes.append(f"refinement was given up: {parts.refiner.given_up}")
    print_summary(snapshot, console)
    shared = [path for path in (config.records, config.latents) if path is not None]
    for line in (*parts.notes, *(f"wrote {path}" for path in (*sorted(parts.videos), *shared))):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if config.json_summary:
        write_summary(config.json_summary, summarise(snapshot, tuple(parts.notes)))


def _prepare(config: RunConfig) -> Resumption:
    """Checks everything that can be checked before anything is opened."""
    specs = expand_sources(config.source or (_DEFAULT_SOURCE,))
    check_run_outputs(config, specs)
    if config.save_config:
        write_text(config.save_config, config.to_json())
    return resume(config, specs)


def _tick(
    pipeline: Pipeline, signals: StopSignals, viewer: Viewer, view: LiveView
) -> Callable[[], None]:
    """What the main thread does between looks at the pipeline."""
    acted = 0

    def tick() -> None:
        nonlocal acted
        if viewer.poll():
            signals.count = max(signals.count, 1)
        if signals.count > acted:
            acted = signals.count
            viewer.release()
            pipeline.stop() if acted == 1 else pipeline.abort()
        view.refresh()

    return tick


def _report(finished: Finished) -> int:
    """Says on stderr what failed, one line each.

    Returns:
        The exit code: 130 for an interrupted run, else that of the worst failure.
    """
    outcome = finished.outcome
    for _, error in (*outcome.source_failures, *outcome.output_failures):
        complain(str(error))
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.output_failures:
        return outcome.output_failures[0][1].exit_code
    if outcome.source_failures:
        return outcome.source_failures[0][1].exit_code
    return 0
