"""`Session`: networks that are opened once, for whatever is analysed with them."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import Any, Self, Unpack

from streamfer.app.config import RunConfig
from streamfer.app.config_file import to_text
from streamfer.app.session.build import build_analyzer, face_cover
from streamfer.app.session.callers import CallerSink
from streamfer.app.session.deliveries import Deliveries
from streamfer.app.session.events import event_config
from streamfer.app.session.given import given_picture, given_sources
from streamfer.app.session.heaps import share_heaps
from streamfer.app.session.job import Job
from streamfer.app.session.networks import SessionNetworks
from streamfer.app.session.options import RunOptions, config_from_options, without_own_heads
from streamfer.app.session.outcome import Outcome
from streamfer.app.session.outputs import claim_outputs, write_text
from streamfer.app.session.results import ResultQueue, Results
from streamfer.app.session.resume import resume
from streamfer.app.session.shards import in_shard
from streamfer.app.session.sources import LiveReports, MakeSource, open_streams
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.app.terminal.feed import WindowFeed
from streamfer.errors import ConfigError
from streamfer.media.sources.source_list import SourceSpec, expand_sources
from streamfer.pipeline.outlet import Sink
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.runtime.store.store import EngineStore
from streamfer.types import FrameResult, UInt8Array
from streamfer.vision.heads.head import FaceHead
from streamfer.vision.heads.registry import chosen_heads

_OF_THE_NETWORKS = frozenset(
    {
        *("detector", "detect_size", "min_face", "face_model", "backbone"),
        *("backend", "device", "precision", "threads", "cpu_budget"),
        *("refine", "refine_every", "refine_steps", "show", "faces"),
    }
)
"""Options that decide what is opened, and so hold for a whole session."""


class Session:
    """Networks that are opened once, for any number of analyses, also at the same time.

    They are opened by the first analysis, and closed by `close` or at the end of a `with` block.
    Its methods may be called from any thread.

    Example:
        >>> with Session(refine=False) as session:
        ...     outcome = session.run("demo:", max_frames=5)
        >>> outcome.snapshot.frames
        5

    Args:
        options: those of `streamfer run`, as keywords; they hold for every analysis, and each
            analysis may name others that do not concern the networks.

    Raises:
        ConfigError: an option is unknown, of the wrong type or out of range.
    """

    _own_heads: Sequence[FaceHead]

    def __init__(self, **options: Unpack[RunOptions]) -> None:
        plain, self._own_heads = without_own_heads(options)
        self._set_up(config_from_options(plain))

    @classmethod
    def configured(
        cls,
        config: RunConfig,
        progress: BuildProgress | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Self:
        """A session of the program.

        Args:
            config: as the command line and files make it.
            progress: shows what takes a while when the networks are opened.
            stopped: whether the user has had enough, so that what takes a while is given up.
        """
        session = cls.__new__(cls)
        session._own_heads = ()
        session._set_up(config, progress, stopped)
        return session

    def _set_up(
        self,
        config: RunConfig,
        progress: BuildProgress | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        share_heaps()
        store = EngineStore(notify=progress.note) if progress else EngineStore()

        def report(step: str, fraction: float) -> None:
            if stopped():
                store.cancelled.set()
            if progress is not None:
                progress.report(step, fraction)

        self._config = config
        self._progress = progress
        self._networks = SessionNetworks(config, store, report)
        self._lock = threading.Lock()
        self._newest = RunStatistics(time.monotonic, "", "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Frees the networks; closing twice is fine."""
        self._networks.close()

    def analyze(
        self,
        *sources: Any,
        name: str | None = None,
        frame_rate: float = 30.0,
        sinks: Sequence[Any] = (),
        **options: Unpack[RunOptions],
    ) -> Results:
        """Analyses sources in the background and yields every frame's result.

        As `streamfer.analyze`, with this session's networks; options that concern these belong to
        the session.
        """
        config, heads = self._of_run(options)
        specs, own = given_sources(sources, name, frame_rate)
        queue = ResultQueue()
        start = self._prepared(config, specs, own=own, heads=heads, sinks=[*sinks, queue])
        return Results(start, queue)

    def analyze_image(self, picture: UInt8Array | str | PathLike[str]) -> FrameResult:
        """Finds and reads the faces of one picture, without tracking or smoothing.

        Args:
            picture: (H, W, 3) uint8 RGB or (H, W) uint8 gray, or the path of a file, of which the
                first frame is read.

        Returns:
            Its faces; `frame.image` is the picture as (H, W, 3) uint8 RGB.

        Raises:
            ConfigError: it is neither.
            SourceError: the file cannot be read, or the array is no picture.
            EngineError: a network is missing, broken or cannot run here.
        """
        frame = given_picture(picture)
        with self._networks.open().serving() as models:
            heads = chosen_heads(self._config.heads, self._own_heads)
            config = dataclasses.replace(self._config, detect_every="1")
            (result,) = build_analyzer(config, models, StageTimes(), heads=heads)([frame])
        return face_cover(config, live=True).take(result)[0]

    def run(
        self,
        *sources: Any,
        name: str | None = None,
        frame_rate: float = 30.0,
        sinks: Sequence[Any] = (),
        **options: Unpack[RunOptions],
    ) -> Outcome:
        """Analyses sources to their ends, into whatever outputs and sinks are named.

        Args:
            sources: as for `streamfer.analyze`.
            name: of the stream, where there is one source only.
            frame_rate: frames/s of pictures that come without times.
            sinks: callables that take every result, or objects with `write(result)` and, if they
                want, `event(event)` and `close()`. One thread at a time calls them.
            options: those of `streamfer run` that do not concern the networks.

        Returns:
            How it ended; sources and outputs that failed while others went on are listed there.

        Raises:
            StreamferError: it could not start, or a stage failed; outputs are closed and playable.
        """
        config, heads = self._of_run(options)
        specs, own = given_sources(sources, name, frame_rate)
        return self._prepared(config, specs, own=own, heads=heads, sinks=sinks)().run()

    def snapshot(self) -> RunSnapshot:
        """The figures of the run that was started last, as they are now."""
        with self._lock:
            return self._newest.snapshot()

    def open(self, *, spare_core: bool = False) -> None:
        """Opens the networks now, if they are not open yet.

        Args:
            spare_core: whether an encoder will keep a core busy all the time, so that they leave it
                one.

        Raises:
            ConfigError: a network is not to be had.
            EngineError: a network is missing, broken or cannot run here.
        """
        self._networks.open(spare_core=spare_core)
        if self._progress is not None:
            self._progress.end()

    def job(
        self,
        config: RunConfig | None = None,
        *,
        specs: Sequence[SourceSpec] | None = None,
        feed: WindowFeed | None = None,
        times: StageTimes | None = None,
        watchers: Sequence[Sink] = (),
    ) -> Job:
        """A run of the program, with its sources opened; without streams where nothing is left.

        Args:
            config: of this run, on the same networks; None for the session's.
            specs: its sources; None for those of its configuration.
            feed: pictures for a window; None for no window.
            times: where the time of each stage is counted.
            watchers: sinks of every stream that keep no result's picture.

        Raises:
            StreamferError: a source or an output cannot be.
        """
        config = config or self._config
        heads = chosen_heads(config.heads)
        specs = expand_sources(config.source) if specs is None else specs
        return self._prepared(
            config, specs, heads=heads, feed=feed, times=times, watchers=watchers
        )()

    def _of_run(self, options: RunOptions) -> tuple[RunConfig, tuple[FaceHead, ...]]:
        """The configuration and the heads of one run."""
        if fixed := _OF_THE_NETWORKS.intersection(options):
            raise ConfigError(
                f"{min(fixed)}: belongs to the session, whose networks are opened once; give it to"
                " Session(…)"
            )
        plain, own = without_own_heads(options)
        config = config_from_options(plain, self._config)
        own = own if "heads" in options else self._own_heads
        return config, chosen_heads(config.heads, own)

    def _prepared(
        self,
        config: RunConfig,
        specs: Sequence[SourceSpec],
        *,
        heads: tuple[FaceHead, ...],
        sinks: Sequence[Any] = (),
        watchers: Sequence[Sink] = (),
        own: Mapping[str, MakeSource] | None = None,
        feed: WindowFeed | None = None,
        times: StageTimes | None = None,
    ) -> Callable[[], Job]:
        """Checks everything that can be checked before anything is opened; the rest is returned."""
        specs = in_shard(specs, config.shard)
        events = event_config(config, heads)
        deliveries = Deliveries.of(config)
        claims = claim_outputs(config, specs)
        resumption = resume(config, specs)
        callers = [CallerSink(sink) for sink in sinks]
        if config.save_config:
            write_text(claims.replace(config.save_config), to_text(config, config.save_config))

        def start() -> Job:
            reports = LiveReports()
            job = Job(
                config,
                self._networks,
                open_streams(resumption.specs, config, reports, own),
                reports,
                claims,
                heads=heads,
                events=events,
                deliveries=deliveries,
                sinks=callers,
                watchers=watchers,
                feed=feed,
                times=times,
                resumption=resumption,
            )
            with self._lock:
                self._newest = job.statistics
            return job

        return start
