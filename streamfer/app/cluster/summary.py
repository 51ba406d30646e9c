"""`--json-summary` of a run on a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamfer.app.cluster.figures import ClusterFigures
from streamfer.app.cluster.folder import DoneFile
from streamfer.app.session.summary import SCHEMA, RunEnd, peak_rss_mb


def cluster_summary(
    figures: ClusterFigures, outcome: RunEnd, done: Sequence[DoneFile], notes: Sequence[str]
) -> dict[str, Any]:
    """The summary as JSON-ready values: that of any run, with the cluster's figures.

    Latencies are not known here, and `peak_rss_mb` is this process's own.

    Args:
        figures: at the end of the run.
        outcome: how it has ended.
        done: every file that this run has done.
        notes: what else the user should know.
    """
    seconds = figures.seconds
    streams = [_done_stream(file) for file in done] + [
        _stream(name, 0, 0, "failed", "failed", reason) for name, reason in figures.failed.items()
    ]
    if figures.live:
        streams += [
            _stream(s.stream, s.frames, s.faces, s.state, outcome, s.message, s.dropped)
            for worker in figures.workers
            for s in worker.streams
            if s.stream not in figures.failed
        ]
    return {
        "schema": SCHEMA,
        "outcome": outcome,
        "fps": round(figures.frames / seconds, 3) if seconds else 0.0,
        "frames": figures.frames,
        "dropped": figures.dropped,
        "faces": figures.faces,
        "seconds": round(seconds, 3),
        "latency_ms": {"p50": None, "p95": None, "p99": None},
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "backend": "",
        "device": "",
        "streams": streams,
        "failed_outputs": [],
        "notes": list(notes),
        "cluster": {
            "total": figures.total,
            "done": figures.done,
            "waiting": figures.waiting + figures.running,
            "failed": dict(figures.failed),
            "workers": len(figures.workers),
            "lost": figures.lost,
            "moved": figures.moved,
        },
    }


def _done_stream(file: DoneFile) -> dict[str, Any]:
    entry = _stream(file.stream, file.frames, file.faces, "done", "done", None)
    entry["fps"] = round(file.frames / file.seconds, 3) if file.seconds else 0.0
    return entry | {"attempt": file.attempt, "worker": file.worker}


def _stream(
    name: str,
    frames: int,
    faces: int,
    state: str,
    outcome: str,
    message: str | None,
    dropped: int = 0,
) -> dict[str, Any]:
    return {
        "stream": name,
        "fps": 0.0,
        "frames": frames,
        "dropped": dropped,
        "faces": faces,
        "state": state,
        "outcome": outcome,
        "message": message,
    }
