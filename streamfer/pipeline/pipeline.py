"""Owner of all threads: starts them, joins them, decides how a run ends."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from streamfer.errors import ConfigError, PipelineError, StreamferError
from streamfer.pipeline.analysis import Analysis, Analyze
from streamfer.pipeline.channel import ChannelClosed, ChannelGroup
from streamfer.pipeline.collector import Collector
from streamfer.pipeline.config import PipelineConfig, RunOutcome
from streamfer.pipeline.feeder import Feeder
from streamfer.pipeline.lane import Lane, StreamPlan, due
from streamfer.pipeline.outlet import Outlet, OutputLedger
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.pipeline.threads import Threads
from streamfer.types import StreamEvent


class Pipeline:
    """Runs streams through the analyzer to their outputs.

    A context manager; `run` blocks until every stream has ended. The first exception in any stage
    cancels all channels, everything is joined, outputs are closed playable, and `run` raises it.
    A source's failure stays inside its stream.

    `run`, `stop` and `abort` are called by one thread: a signal handler only sets a flag, and
    `on_tick` acts on it.

    Args:
        plans: the streams, in the order in which files are taken.
        analyze: the analyzer.
        statistics: where stages count.
        config: sizes and limits.
        times: where the time of decoding and conversion is counted.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        plans: Sequence[StreamPlan],
        analyze: Analyze,
        statistics: RunStatistics,
        config: PipelineConfig | None = None,
        times: StageTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config or PipelineConfig()
        self._statistics = statistics
        self._feeder = Feeder(statistics, times or StageTimes(), self.post)
        self._clock = clock
        self._group = ChannelGroup()
        self._collector = Collector(self._group, self._config.collector, clock)
        self._analysis = Analysis(analyze, self._collector, self._feeder, statistics)
        self._ledger = OutputLedger()
        self._waiting: deque[StreamPlan] = deque(plans)
        self._changed = threading.Condition()
        self._active: dict[str, Lane] = {}
        self._threads = Threads(clock, self._config.stop_timeout_s)
        self._error: PipelineError | None = None
        self._source_failures: list[tuple[str, StreamferError]] = []
        self._stop_deadline_s: float | None = None
        self._leaving: set[str] = set()
        """Streams that are being taken out of the run."""
        self._held_open = False
        self._ending = False
        """Whether `run` has seen the end: what is added now would never start."""
        for plan in plans:
            statistics.add_stream(plan.info)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._threads.alive:
            self.abort()
        self._threads.join()

    def run(self, on_tick: Callable[[], None] = lambda: None) -> RunOutcome:
        """Starts everything and waits for the end.

        Args:
            on_tick: called by this thread every `tick_s` seconds: the live view, the window.

        Returns:
            How it ended; failed sources and outputs are listed, not raised.

        Raises:
            PipelineError: a stage failed.
        """
        self._threads.start("analyzer", self._run_analyzer)
        try:
            while not self._over():
                self._start_waiting_streams()
                with self._changed:
                    if (self._active or self._held_open) and self._error is None:
                        self._changed.wait(self._config.tick_s)
                on_tick()
        except BaseException:
            self.abort()
            raise
        finally:
            if self._error is not None:
                self.abort()  # again: a stream may have been starting while it failed
            self._collector.close()
            self._threads.join()
        if self._error is not None:
            raise self._error
        return self.outcome

    @property
    def outcome(self) -> RunOutcome:
        """How the run has ended, also where `run` has raised."""
        return RunOutcome(
            interrupted=self._stop_deadline_s is not None,
            source_failures=tuple(self._source_failures),
            output_failures=self._ledger.failures,
        )

    def stop(self) -> None:
        """Ends every source, lets what was admitted drain, and closes."""
        self._end_sources()
        for lane in self._lanes():
            lane.inbox.close()

    def abort(self) -> None:
        """Discards what is under way and closes the outputs as they are."""
        self._end_sources(discarding=True)
        self._group.cancel()
        self._collector.close()

    def add(self, plan: StreamPlan) -> None:
        """Takes one more stream into a running pipeline, from any thread.

        From the first such change on the run goes on without streams, too, until it is stopped.

        Raises:
            ConfigError: there is a stream of this name, or the run is ending.
        """
        with self._changed:
            if self._ending or self._stop_deadline_s is not None:
                raise ConfigError("the run is ending; nothing can be added any more")
            waiting = {other.info.stream for other in self._waiting}
            if plan.info.stream in waiting | self._active.keys():
                raise ConfigError(f"there is a stream {plan.info.stream} already")
            self._held_open = True
            self._statistics.add_stream(plan.info)
            self._waiting.append(plan)
            self._changed.notify()

    def remove(self, stream: str) -> bool:
        """Takes a stream out of a running pipeline, from any thread; its outputs are completed.

        One that has ended is taken out of the figures.

        Returns:
            Whether there was such a stream.
        """
        with self._changed:
            if not self._statistics.has_stream(stream):
                return False
            self._held_open = not self._ending and self._stop_deadline_s is None
            for plan in [plan for plan in self._waiting if plan.info.stream == stream]:
                self._waiting.remove(plan)
                plan.source.close()
            lane = self._active.get(stream)
            if lane is None:
                self._statistics.remove_stream(stream)
                return True
            self._leaving.add(stream)
        lane.interrupt()
        lane.inbox.close()
        return True

    def post(self, event: StreamEvent) -> bool:
        """Takes an event from a source, from any thread, to the stream's outputs.

        Returns:
            Whether they are open; else it is lost.
        """
        with self._changed:
            lane = self._active.get(event.stream)
        if lane is None:
            return False
        if lane.learns_size(event):
            self._statistics.opened(lane.info)
        lane.outbox.push(event)
        return True

    @property
    def stuck_threads(self) -> tuple[str, ...]:
        """Threads that did not end in time: they sit in reads that nothing can interrupt."""
        return self._threads.alive

    def _over(self) -> bool:
        with self._changed:
            deadline_s = self._stop_deadline_s
            late = deadline_s is not None and self._clock() > deadline_s
            running = self._active or self._waiting or self._held_open
            self._ending = late or not running or self._error is not None
            return self._ending

    def _lanes(self) -> list[Lane]:
        with self._changed:
            return list(self._active.values())

    def _end_sources(self, discarding: bool = False) -> None:
        with self._changed:
            self._waiting.clear()
            self._held_open = False
            if self._stop_deadline_s is None:
                self._stop_deadline_s = self._clock() + self._config.stop_timeout_s
        for lane in self._lanes():
            lane.interrupted = lane.interrupted or discarding or not lane.at_end
            lane.interrupt()

    def _start_waiting_streams(self) -> None:
        """Starts streams up to the limit of open files; live ones at once."""
        starting = []
        with self._changed:
            open_files = sum(1 for lane in self._active.values() if not lane.plan.info.live)
            for plan in due(self._waiting, self._config.concurrent_files - open_files):
                self._waiting.remove(plan)
                waiting = self._config.queue_size_of(plan.info)
                lane = Lane(self._group, plan, waiting, self._config.max_frames)
                self._active[lane.name] = lane
                starting.append(lane)
        for lane in starting:
            self._collector.add(lane)
            self._threads.start(f"output {lane.name}", partial(self._run_output, lane))
            self._threads.start_source(lane.name, partial(self._run_source, lane))

    # Source threads.

    def _run_source(self, lane: Lane) -> None:
        try:
            self._feeder.feed(lane)
            lane.at_end = True
        except StreamferError as error:
            lane.failure = error
            with self._changed:
                self._source_failures.append((lane.name, error))
            self._statistics.set_state(lane.name, "failed", str(error))
        except BaseException as error:
            self._fail("source", lane.name, error)
        finally:
            self._feeder.close(lane)

    def _run_analyzer(self) -> None:
        try:
            self._analysis.run()
        except BaseException as error:
            self._fail("analyzer", None, error)

    # Output threads.

    def _run_output(self, lane: Lane) -> None:
        outlet = lane.open_outlet(self._ledger, self._statistics.happened)
        try:
            while True:
                outlet.put(lane.outbox.get_waiting(lane.at_once))
                self._statistics.written(lane.name, lane.outbox.fill)
        except ChannelClosed:
            pass
        except BaseException as error:
            self._fail("output", lane.name, error)
        finally:
            self._close_outlet(lane, outlet)

    def _close_outlet(self, lane: Lane, outlet: Outlet) -> None:
        try:
            outlet.close()
        except BaseException as error:
            self._fail("output", lane.name, error)
        finally:
            self._statistics.written(lane.name, 0.0)
            if lane.failure is None:
                self._statistics.ended(lane.name, lane.interrupted)
            self._group.forget(lane.inbox)
            self._group.forget(lane.outbox)
            with self._changed:
                self._active.pop(lane.name, None)
                if lane.name in self._leaving:
                    self._leaving.remove(lane.name)
                    self._statistics.remove_stream(lane.name)
                self._changed.notify()

    def _fail(self, stage: str, stream: str | None, cause: BaseException) -> None:
        """Keeps the first failure and brings everything down; from any thread."""
        with self._changed:
            if self._error is None:
                self._error = PipelineError(stage, stream, cause)
            self._changed.notify()
        self.abort()
