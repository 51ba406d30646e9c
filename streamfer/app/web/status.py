"""A run's figures as the live page and its API get them."""

from __future__ import annotations

from typing import Any

from streamfer.pipeline.stats.snapshots import Percentiles, RunSnapshot, StreamSnapshot

_MOST_TRACKS = 20
"""Of a stream, the ones seen last: a camera sees thousands."""


def run_status(snapshot: RunSnapshot) -> dict[str, Any]:
    """The whole run, JSON-ready."""
    return {
        "fps": round(snapshot.fps, 2),
        "backend": snapshot.backend,
        "device": snapshot.device,
        "streams": [stream_status(stream) for stream in snapshot.streams],
    }


def stream_status(stream: StreamSnapshot) -> dict[str, Any]:
    """One stream, JSON-ready; `source` is without credentials."""
    info = stream.info
    return {
        "stream": info.stream,
        "source": info.source,
        "state": stream.state,
        "live": info.live,
        "width": info.width,
        "height": info.height,
        "message": stream.message,
        "time_s": round(stream.time_s, 3),
        "fps": round(stream.fps_out, 2),
        "latency_ms": _p95(stream.latency_ms),
        "frames": stream.frames,
        "dropped": stream.dropped,
        "reconnects": stream.reconnects,
        "tracks": [
            {
                "track": track.track_id,
                "first_s": round(track.first_s, 2),
                "last_s": round(track.last_s, 2),
                "frames": track.frames,
                "share": [round(float(share), 3) for share in track.share],
            }
            for track in sorted(stream.tracks, key=lambda track: track.last_s)[-_MOST_TRACKS:]
        ],
    }


def _p95(latency: Percentiles | None) -> float | None:
    return None if latency is None else round(latency.p95, 1)
