"""Statistics of runs that never were."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamfer.labels import LABELS
from streamfer.pipeline.stats.snapshots import (
    CurrentFace,
    Percentiles,
    RunSnapshot,
    StreamSnapshot,
    TrackSummary,
)
from streamfer.types import FloatArray, StreamInfo

LATENCY = Percentiles(p50=11.0, p95=24.0, p99=30.0)


def probs(label: str, value: float = 0.7) -> FloatArray:
    """(7,) with `value` at one label and the rest shared out evenly."""
    vector = np.full(7, (1 - value) / 6, dtype=np.float32)
    vector[LABELS.index(label)] = value
    return vector


def info(name: str = "talk", **changes: Any) -> StreamInfo:
    """A file of 480 frames and 20 s, unless told otherwise."""
    values: dict[str, Any] = {
        "source": f"{name}.mp4",
        "width": 640,
        "height": 360,
        "live": False,
        "frame_rate": 24.0,
        "frame_count": 480,
        "duration_s": 20.0,
    }
    return StreamInfo(stream=name, **(values | changes))


def camera(name: str) -> StreamInfo:
    """A live stream."""
    return info(name, live=True, frame_count=None, duration_s=None)


def stream(about: StreamInfo | None = None, **changes: Any) -> StreamSnapshot:
    """A stream half through, with one happy face."""
    values: dict[str, Any] = {
        "info": about or info(),
        "state": "running",
        "time_s": 10.0,
        "decoded": 240,
        "frames": 240,
        "dropped": 0,
        "faces": 240,
        "reconnects": 0,
        "fps_in": 48.0,
        "fps_out": 47.5,
        "queue_fill": 0.25,
        "latency_ms": LATENCY,
        "current": (CurrentFace(1, "happy", probs("happy")),),
        "tracks": (TrackSummary(1, 0.0, 10.0, 240, probs("happy", 0.75)),),
        "message": None,
    }
    return StreamSnapshot(**(values | changes))


def run(*streams: StreamSnapshot, **changes: Any) -> RunSnapshot:
    """A run of these streams, 5 s old."""
    values: dict[str, Any] = {
        "elapsed_s": 5.0,
        "seconds": 5.0,
        "fps": 48.0,
        "frames": sum(s.frames for s in streams),
        "dropped": sum(s.dropped for s in streams),
        "faces": sum(s.faces for s in streams),
        "latency_ms": LATENCY,
        "backend": "openvino",
        "device": "cpu",
        "streams": streams,
    }
    return RunSnapshot(**(values | changes))
