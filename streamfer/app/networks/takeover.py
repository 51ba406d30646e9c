"""Better engines take over while streams run: compiled in a thread, swapped between batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from streamfer.app.networks.face_reader import open_face_reader
from streamfer.app.networks.models import BetterNetwork, Models
from streamfer.engine import Engine
from streamfer.pipeline.analyzer import Analyzer
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import Frame, FrameResult, StreamEvent
from streamfer.vision.detection.detector import Detector

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """How opening a better network ended."""

    better: BetterNetwork
    network: Detector | Engine | None
    error: Exception | None
    """Why there is no network."""


class BackgroundBuilds:
    """Opens better networks one after the other, in a thread that ends with the `with` block.

    What nobody has taken by then is closed there.

    Args:
        better: what to open.
        frame_sizes_wh: width and height of the frames to come, for which they are made ready.
        stop_timeout_s: how long a compiler that is busy may hold the end, in seconds.
    """

    def __init__(
        self,
        better: Sequence[BetterNetwork],
        frame_sizes_wh: Iterable[tuple[int, int]],
        stop_timeout_s: float = 5.0,
    ) -> None:
        self.better = tuple(better)
        self._sizes_wh = tuple(frame_sizes_wh)
        self._stop_timeout_s = stop_timeout_s
        self._cancelled = threading.Event()
        self._lock = threading.Lock()
        self._ended: list[Built] = []
        self._thread = threading.Thread(target=self._run, name="engine builder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        self._thread.join(self._stop_timeout_s)
        if self._thread.is_alive():
            log.warning("%s does not answer; the run ends without it", self._thread.name)
        for built in self.take():
            if built.network is not None:
                built.network.close()

    def take(self) -> list[Built]:
        """What has ended since the last call, now the caller's; never waits."""
        with self._lock:
            ended, self._ended = self._ended, []
        return ended

    def _run(self) -> None:
        for better in self.better:
            if self._cancelled.is_set():
                return
            self._build(better)

    def _build(self, better: BetterNetwork) -> None:
        try:
            network = better.open(self._cancelled, self._sizes_wh)
        except Exception as error:  # whatever it is, the engine that serves goes on serving
            with self._lock:
                self._ended.append(Built(better, None, error))
            return
        with self._lock:
            too_late = self._cancelled.is_set()
            if not too_late:
                self._ended.append(Built(better, network, None))
        if too_late:
            network.close()


class ServingNetworks:
    """The networks that serve now: those that were opened, until better ones take over.

    Any number of runs may share them; they compute one batch at a time.

    Args:
        models: what serves first; closed with this, as whatever takes over.
        stop_timeout_s: how long a compiler that is busy may hold the end, in seconds.
    """

    def __init__(self, models: Models, stop_timeout_s: float = 5.0) -> None:
        self._models = models
        self._stop_timeout_s = stop_timeout_s
        self._lock = threading.Lock()
        self._builds: BackgroundBuilds | None = None
        self._stack = ExitStack()
        self._warm: set[tuple[int, int]] = set()
        """Sizes of frames that the networks have run for."""
        self.news: list[dict[str, Any]] = []
        """What has happened to the networks, as details of events."""

    def build_better(self, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
        """Begins to compile what shall take over, if anything shall; later calls do nothing.

        Args:
            frame_sizes_wh: width and height of the frames to come.
        """
        if self._builds is not None or not self._models.better:
            return
        better = self._models.better
        self.news += [
            {"network": b.name, "backend": b.serving, "compiling": b.backend} for b in better
        ]
        builds = BackgroundBuilds(better, frame_sizes_wh, self._stop_timeout_s)
        self._builds = self._stack.enter_context(builds)

    def warm_up(self, frame_sizes_wh: Iterable[tuple[int, int]]) -> None:
        """Makes them ready for frames of these widths and heights; those of earlier calls cost
        nothing, so that a run of many short files does not warm up before each.

        Args:
            frame_sizes_wh: width and height of the frames to come, in pixels.
        """
        sizes_wh = set(frame_sizes_wh)
        with self.serving() as models:
            models.warm_up(sizes_wh - self._warm)
            self._warm |= sizes_wh

    @contextmanager
    def serving(self) -> Iterator[Models]:
        """Holds the networks for a batch; what is ready takes over before it."""
        with self._lock:
            for built in self._builds.take() if self._builds else ():
                self._take_over(built)
            yield self._models

    def close(self) -> None:
        """Gives up what is not compiled yet, and frees the networks."""
        self._stack.close()
        self._models.close()

    def _take_over(self, built: Built) -> None:
        better = built.better
        if built.network is None:
            log.warning("%s; %s goes on serving", built.error, better.serving)
            details = {"backend": better.serving, "message": str(built.error)}
            self.news.append({"network": better.name, **details})
            return
        before: Detector | Engine = getattr(self._models, better.part)
        part: dict[Literal["detector", "face"], Any] = {better.part: built.network}
        self._models = replace(self._models, **part)
        self._warm.clear()
        before.close()
        log.info("%s: %s has taken over from %s", better.name, better.backend, better.serving)
        self.news.append({"network": better.name, "backend": better.backend})


class SharedAnalyzer:
    """A run's analyzer on networks that it shares, and that better ones may take over.

    The records of every stream say from which frame on which engine served.

    Args:
        analyzer: does the work.
        networks: what it works with.
        announce: takes the events.
        statistics: told what serves now.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        networks: ServingNetworks,
        announce: Callable[[StreamEvent], None],
        statistics: RunStatistics,
    ) -> None:
        self._analyzer = analyzer
        self._networks = networks
        self._announce = announce
        self._statistics = statistics
        self._models: Models | None = None
        self._told: dict[str, int] = {}
        """Stream → how many of the news its outputs have."""

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Analyses a batch; see `Analyzer`."""
        with self._networks.serving() as models:
            if models is not self._models:
                self._models = models
                self._analyzer.use(open_face_reader(models.detector, models.face))
                self._statistics.set_engine(models.face.backend, models.face.device)
            for frame in frames:
                self._tell(frame)
            return self._analyzer(frames)

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._told.pop(stream, None)
        self._analyzer.forget(stream)

    def _tell(self, frame: Frame) -> None:
        """Brings a stream's outputs up to date, before the frame that it begins with."""
        for details in self._networks.news[self._told.get(frame.stream, 0) :]:
            self._announce(
                StreamEvent(frame.stream, "changed", frame.time_s, frame.wall, dict(details))
            )
        self._told[frame.stream] = len(self._networks.news)
