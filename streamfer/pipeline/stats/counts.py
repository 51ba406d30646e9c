"""What is counted of one stream; the statistics hold their lock while they touch it."""

from __future__ import annotations

from collections import Counter, deque

import numpy as np

from streamfer.labels import NUM_LABELS
from streamfer.pipeline.stats.histogram import Histogram
from streamfer.pipeline.stats.latencies import RecentLatencies
from streamfer.pipeline.stats.snapshots import CurrentFace
from streamfer.types import StreamEvent, StreamInfo, StreamState

_LATENCY_WINDOW = 512
"""Latencies kept per stream for the live view: about 20 s at 24 frames/s."""
_LIVE_TRACKS = 200
"""Tracks kept for the summary of a live stream, which may run for months."""
_RATE_WINDOW_S = 2.0
"""Span over which the displayed frames/s are counted."""


class Rate:
    """Events per second over a sliding window."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def add(self, now_s: float) -> None:
        """Counts one event."""
        self._times.append(now_s)
        self._trim(now_s)

    def per_second(self, now_s: float) -> float:
        """The rate by now; 0 after fewer than two events."""
        self._trim(now_s)
        if len(self._times) < 2:
            return 0.0
        span = max(now_s - self._times[0], 1e-3)
        return len(self._times) / max(span, 0.25)

    def _trim(self, now_s: float) -> None:
        while self._times and now_s - self._times[0] > _RATE_WINDOW_S:
            self._times.popleft()


class TrackCounts:
    """When a track was seen, and how often with which expression."""

    def __init__(self, first_s: float) -> None:
        self.first_s = first_s
        self.last_s = first_s
        self.counts = np.zeros(NUM_LABELS, dtype=np.int64)


class StreamCounts:
    """The counters of a stream."""

    def __init__(self, info: StreamInfo) -> None:
        self.info = info
        self.state: StreamState = "waiting"
        self.message: str | None = None
        self.time_s = 0.0
        self.decoded = 0
        self.frames = 0
        self.dropped = 0
        self.faces = 0
        self.reconnects = 0
        self.queue_fill = 0.0
        self.alive_s = 0.0
        self.rate_in = Rate()
        self.rate_out = Rate()
        self.latencies = RecentLatencies(_LATENCY_WINDOW)
        self.age = Histogram()
        self.latency = Histogram()
        self.current: tuple[CurrentFace, ...] = ()
        self.tracks: dict[int, TrackCounts] = {}
        self.events: Counter[str] = Counter()
        self.newest_event: StreamEvent | None = None

    def track(self, number: int, time_s: float) -> TrackCounts:
        """The track of this number; a live stream forgets who left first for a new one."""
        found = self.tracks.get(number)
        if found is None:
            if self.info.live and len(self.tracks) >= _LIVE_TRACKS:
                del self.tracks[min(self.tracks, key=lambda known: self.tracks[known].last_s)]
            found = self.tracks[number] = TrackCounts(time_s)
        return found
