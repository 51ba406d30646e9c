"""A run's statistics at one moment, as the views, the summary and the metrics read them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamfer.pipeline.stats.histogram import HistogramSnapshot
from streamfer.types import FloatArray, StreamEvent, StreamInfo, StreamState


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Latencies in milliseconds, decode to result; None before the first frame."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, slots=True, eq=False)
class CurrentFace:
    """A face in a stream's newest frame."""

    track_id: int
    emotion: str | None
    """None where it is known to be uncertain."""
    smoothed: FloatArray = field(repr=False)
    """(7,) float32, sums to 1."""

    @property
    def share(self) -> float:
        """Of the probability that the largest has, 0–1."""
        return float(self.smoothed.max())


@dataclass(frozen=True, slots=True, eq=False)
class TrackSummary:
    """One face of one stream over the whole run."""

    track_id: int
    first_s: float
    last_s: float
    """Media time of its first and last frame, in seconds."""
    frames: int
    share: FloatArray = field(repr=False)
    """(7,) fraction of its frames in which each label was the answer."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamSnapshot:
    """One stream at one moment."""

    info: StreamInfo
    state: StreamState
    time_s: float
    """Media time of the newest analysed frame, in seconds."""
    decoded: int
    """Decoded frames."""
    frames: int
    """Analysed frames."""
    dropped: int
    faces: int
    """Face results over all frames."""
    reconnects: int
    fps_in: float
    """Decoded frames/s over the last two seconds."""
    fps_out: float
    """Analysed frames/s over the last two seconds."""
    queue_fill: float
    """Fill of the stream's output channel, 0–1."""
    latency_ms: Percentiles | None
    current: tuple[CurrentFace, ...]
    """The faces in the newest frame."""
    tracks: tuple[TrackSummary, ...]
    message: str | None
    """Why it failed, or what it waits for."""
    events: Mapping[str, int] = field(default_factory=dict)
    """How often each kind of event has happened."""
    newest_event: StreamEvent | None = None


@dataclass(frozen=True, slots=True, eq=False)
class RunSnapshot:
    """The whole run at one moment."""

    elapsed_s: float
    """Seconds since the run began."""
    seconds: float
    """Seconds from the first decoded frame to the last output written."""
    fps: float
    """Analysed frames per second over `seconds`, all streams."""
    frames: int
    dropped: int
    faces: int
    latency_ms: Percentiles | None
    backend: str
    device: str
    streams: tuple[StreamSnapshot, ...]


@dataclass(frozen=True, slots=True)
class Distributions:
    """How old a stream's frames were, over the whole run."""

    age: HistogramSnapshot
    """From leaving the decoder until their analysis began."""
    latency: HistogramSnapshot
    """From leaving the decoder until their result existed."""


@dataclass(frozen=True, slots=True)
class StripFigures:
    """What the overlay's strip shows of a stream."""

    fps: float
    """Analysed frames/s over the last two seconds."""
    latency_ms: float | None
    """Decode to result of the newest frame; None before the first."""
    dropped: int
