"""One run of a session: opened streams go through the networks to every output."""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from streamfer.app.config import RunConfig
from streamfer.app.networks.takeover import ServingNetworks
from streamfer.app.session.build import (
    build_pipeline,
    frame_sizes_wh,
    latent_writer,
    stream_plan,
)
from streamfer.app.session.callers import CallerSink
from streamfer.app.session.deliveries import Deliveries
from streamfer.app.session.given import given_sources
from streamfer.app.session.job_streams import JobStreams
from streamfer.app.session.metrics import MetricsServer, RunMetrics
from streamfer.app.session.networks import SessionNetworks
from streamfer.app.session.opencv_threads import opencv_on_one_thread
from streamfer.app.session.outcome import Outcome, conclude
from streamfer.app.session.outputs import claim_added_stream, refuse_further_stream
from streamfer.app.session.parts import RunParts
from streamfer.app.session.resume import Resumption
from streamfer.app.session.saving import cpu_budget, rest_refiner
from streamfer.app.session.search_notes import search_notes
from streamfer.app.session.segments import Segments
from streamfer.app.session.sources import LiveReports, OpenedStream, open_streams
from streamfer.app.session.stream_sinks import open_record_writer
from streamfer.app.terminal.feed import WindowFeed
from streamfer.errors import ConfigError, StreamferError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.sources.source_list import SourceSpec
from streamfer.pipeline.events.detector import EventConfig
from streamfer.pipeline.outlet import Sink
from streamfer.pipeline.pipeline import Pipeline
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.tracking.association import load_solver
from streamfer.types import StreamEvent, StreamInfo
from streamfer.vision.heads.head import FaceHead
from streamfer.vision.overlay.overlay import Overlay

log = logging.getLogger(__name__)


class Job:
    """A run, from opened streams to its outcome.

    Args:
        config: of the run.
        networks: of its session.
        streams: opened, and closed with the run.
        reports: what they report to.
        claims: which files it may write.
        heads: what else is said of each face.
        events: what makes an event; None for no events.
        deliveries: where results and events go besides files.
        sinks: of the caller's, which every stream's results and events go to.
        watchers: sinks of every stream that keep no result's picture.
        feed: pictures for a window; None for no window.
        times: where the time of each stage is counted.
        resumption: what an earlier run has done already.
    """

    def __init__(
        self,
        config: RunConfig,
        networks: SessionNetworks,
        streams: Sequence[OpenedStream],
        reports: LiveReports,
        claims: OutputClaims,
        *,
        heads: tuple[FaceHead, ...] = (),
        events: EventConfig | None = None,
        deliveries: Deliveries | None = None,
        sinks: Sequence[CallerSink] = (),
        watchers: Sequence[Sink] = (),
        feed: WindowFeed | None = None,
        times: StageTimes | None = None,
        resumption: Resumption | None = None,
    ) -> None:
        self.config = config
        self.statistics = RunStatistics(time.monotonic, "", "")
        for stream in streams:  # views show them while the networks are still being opened
            self.statistics.add_stream(stream.info)
        self.times = times or StageTimes()
        self._networks = networks
        results_stay = bool(config.records or config.output or config.latents or config.subtitles)
        self._streams = JobStreams(streams, self.statistics, results_stay=results_stay)
        self._reports = reports
        self.claims = claims
        self._heads = heads
        self._events = events
        self._deliveries = deliveries or Deliveries()
        self._sinks = sinks
        self._watchers = watchers
        self._feed = feed
        self._resumption = resumption
        self.outcome: Outcome | None = None
        """How it ended, also where `run` raised."""
        self._parts: RunParts | None = None
        self._pipeline: Pipeline | None = None
        self._changing = threading.Lock()
        """Held while an opened stream joins."""

    @property
    def streams(self) -> tuple[StreamInfo, ...]:
        """What is known of the streams before the run."""
        return tuple(stream.info for stream in self._streams.opened)

    @property
    def live(self) -> bool:
        """Whether any of them plays at its own pace."""
        return any(info.live for info in self.streams)

    def open_networks(self) -> ServingNetworks:
        """The networks as the run needs them, opened if they are not yet; see `Session.open`."""
        encodes = self.config.output is not None
        spare_core = encodes and not self.live
        return self._networks.open(at_once=self.live, spare_core=spare_core, for_run=True)

    def run(self, on_tick: Callable[[], None] = lambda: None) -> Outcome:
        """Runs to the end; blocks.

        Args:
            on_tick: called by this thread many times a second; may call `stop` and `abort`.

        Raises:
            StreamferError: it could not start, or a stage failed; outputs are closed and playable.
        """
        failure: StreamferError | None = None
        try:
            with ExitStack() as stack:
                stack.enter_context(opencv_on_one_thread())
                stack.callback(self.close)
                for sink in self._sinks:
                    stack.callback(sink.finish)
                if not self._streams.opened:  # every output is complete
                    return Outcome("done", (), self.statistics.snapshot(), (), ())
                with self._open(stack) as pipeline:
                    pipeline.run(on_tick)
                for thread in pipeline.stuck_threads:
                    log.warning("%s does not answer; the program ends without it", thread)
        except StreamferError as error:
            if self._pipeline is None:
                raise
            failure = error
        assert self._parts is not None
        assert self._pipeline is not None
        self.outcome = conclude(self.config, self._parts, self._pipeline.outcome, failure)
        if failure is not None:
            raise failure
        return self.outcome

    def add(self, source: str, name: str | None = None) -> StreamInfo:
        """Takes one more source into the run while it goes on, from any thread.

        Args:
            source: as on the command line.
            name: of the stream; None derives it.

        Raises:
            ConfigError: the run has not begun, the source is several or none, or an output of the
                run has no place for it.
            SourceError: it cannot be opened.
            OutputError: an output cannot be.
        """
        specs, _ = given_sources([source], name, 1.0)
        if len(specs) != 1:
            raise ConfigError(f"{specs[0].label} and {len(specs) - 1} more: add one at a time")
        return self.add_source(specs[0])

    def add_source(self, spec: SourceSpec) -> StreamInfo:
        """As `add`, and raises the same; its stream gets a name that no other has."""
        parts, pipeline = self._parts, self._pipeline
        if parts is None or pipeline is None:
            raise ConfigError("the run has not begun yet")
        refuse_further_stream(self.config)
        self._streams.forget_removed()
        with self._streams.joining(spec) as named:
            (stream,) = open_streams([named], self.config, self._reports)
            try:
                with self._changing, self.claims.taken_back_on_failure():
                    claim_added_stream(self.claims, self.config, named)
                    parts.join(stream.info)
                    with self._networks.open().serving() as models:
                        pipeline.add(stream_plan(parts, stream, models))
                    self._streams.add(stream)
            except BaseException:
                stream.source.close()
                raise
        return stream.info

    def remove(self, stream: str) -> bool:
        """Takes a stream out of the run, from any thread; its outputs are completed.

        Returns:
            Whether there was such a stream.
        """
        removed = self._pipeline is not None and self._pipeline.remove(stream)
        self._streams.forget_removed()
        return removed

    def announce(self, event: StreamEvent) -> bool:
        """Takes an event to its stream's outputs, from any thread.

        Returns:
            Whether they are open; else it is lost.
        """
        return self._pipeline is not None and self._pipeline.post(event)

    def close(self) -> None:
        """Closes the sources; the end of `run` has done so already."""
        self._streams.close()

    def stop(self) -> None:
        """Ends every source and lets what was admitted drain; called by `on_tick`."""
        if self._pipeline is not None:
            self._pipeline.stop()

    def abort(self) -> None:
        """Discards what is under way; called by `on_tick`."""
        if self._pipeline is not None:
            self._pipeline.abort()

    def _open(self, stack: ExitStack) -> Pipeline:
        """Opens what the run needs, to be closed by the stack."""
        networks = self.open_networks()
        parts = self._open_parts(networks, stack)
        pipeline = build_pipeline(parts, self._streams.opened, networks)
        self._reports.connect(pipeline, self.statistics)
        if self.config.metrics is not None:
            figures = RunMetrics(self.statistics, self.times)
            stack.enter_context(MetricsServer(self.config.metrics, figures))
        self._parts, self._pipeline = parts, pipeline
        return pipeline

    def _draws_faces(self) -> bool:
        config = self.config
        pictures = config.output is not None or config.snapshot_every is not None
        return pictures or bool(self._feed or self._watchers or self._sinks)

    def _open_parts(self, networks: ServingNetworks, stack: ExitStack) -> RunParts:
        """What all streams share; closed with the stack."""
        config = self.config
        refiner = stack.enter_context(self._networks.refiner())  # first: it takes a while
        draw_faces = self._draws_faces()
        notes = search_notes(config, self.streams)
        rest_refiner(refiner, seen=draw_faces)
        budget = cpu_budget(config, refiner, notes, live=self.live, seen=draw_faces)
        networks.build_better(sizes_wh := frame_sizes_wh(self._streams.opened))
        networks.warm_up(sizes_wh)
        with networks.serving() as models:
            if self.live:
                load_solver()
            self.statistics.set_engine(models.face.backend, models.face.device)
            face = models.face
            log.info("faces are read by %s on %s in %s", face.backend, face.device, face.precision)
            done = self._resumption.done if self._resumption else ()
            run = secrets.token_hex(8)
            records = open_record_writer(
                config, models, [*done, *self.streams], self.claims, run, self._heads
            )
        if records is not None:
            stack.callback(records.close)
        latents = stack.enter_context(latent_writer(config, self._streams.opened, self.claims))
        if self._resumption is not None:
            self._resumption.restore(records, latents)
        names = [info.stream for info in self.streams]
        delivered = stack.enter_context(self._deliveries.open(notes, names))
        return RunParts(
            config,
            self.statistics,
            self.times,
            Overlay(),
            records,
            self._feed,
            self.claims,
            run,
            latents=latents,
            refiner=refiner,
            segments=Segments(config.segment or math.inf),
            notes=notes,
            extra=(*self._watchers, *self._sinks),
            deliver=delivered,
            draw_faces=draw_faces,
            keep_pictures=bool(self._sinks),
            announce=self._reports.announce,
            heads=self._heads,
            events=self._events,
            budget=budget,
        )
