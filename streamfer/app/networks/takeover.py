"""Better engines take over while streams run: compiled in a thread, swapped between batches."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
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

    It owns them, too, and closes them there.

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
        self._networks: list[Detector | Engine] = []
        self._thread = threading.Thread(target=self._run, name="engine builder")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._cancelled.set()
        self._thread.join(self._stop_timeout_s)
        if self._thread.is_alive():
            log.warning("%s does not answer; the run ends without it", self._thread.name)
        with self._lock:
            networks, self._networks = self._networks, []
        for network in networks:
            network.close()

    def take(self) -> list[Built]:
        """What has ended since the last call; never waits."""
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
                self._networks.append(network)
                self._ended.append(Built(better, network, None))
        if too_late:
            network.close()


class TakeoverAnalyzer:
    """An analyzer that goes on with a better engine from the first batch after it is ready.

    The records of every stream say from which frame on which engine served.

    Args:
        analyzer: does the work.
        models: what it works with so far.
        builds: where better networks come from.
        announce: takes the events.
        statistics: told what serves now.
    """

    def __init__(
        self,
        analyzer: Analyzer,
        models: Models,
        builds: BackgroundBuilds,
        announce: Callable[[StreamEvent], None],
        statistics: RunStatistics,
    ) -> None:
        self._analyzer = analyzer
        self._models = models
        self._builds = builds
        self._announce = announce
        self._statistics = statistics
        self._news: list[dict[str, Any]] = [
            {"network": b.name, "backend": b.serving, "compiling": b.backend} for b in builds.better
        ]
        self._told: dict[str, int] = {}
        """Stream → how many of the news its outputs have."""

    def __call__(self, frames: Sequence[Frame]) -> list[FrameResult]:
        """Analyses a batch; see `Analyzer`."""
        for built in self._builds.take():
            self._take_over(built)
        for frame in frames:
            self._tell(frame)
        return self._analyzer(frames)

    def forget(self, stream: str) -> None:
        """Frees what is kept of a stream that has ended."""
        self._told.pop(stream, None)
        self._analyzer.forget(stream)

    def _take_over(self, built: Built) -> None:
        better = built.better
        if built.network is None:
            log.warning("%s; %s goes on serving", built.error, better.serving)
            details = {"backend": better.serving, "message": str(built.error)}
            self._news.append({"network": better.name, **details})
            return
        before: Detector | Engine = getattr(self._models, better.part)
        part: dict[Literal["detector", "face"], Any] = {better.part: built.network}
        self._models = replace(self._models, **part)
        self._analyzer.use(open_face_reader(self._models.detector, self._models.face))
        before.close()
        self._statistics.set_engine(self._models.face.backend, self._models.face.device)
        log.info("%s: %s has taken over from %s", better.name, better.backend, better.serving)
        self._news.append({"network": better.name, "backend": better.backend})

    def _tell(self, frame: Frame) -> None:
        """Brings a stream's outputs up to date, before the frame that it begins with."""
        for details in self._news[self._told.get(frame.stream, 0) :]:
            self._announce(
                StreamEvent(frame.stream, "changed", frame.time_s, frame.wall, dict(details))
            )
        self._told[frame.stream] = len(self._news)
