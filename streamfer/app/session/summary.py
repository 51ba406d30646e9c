"""A run's figures for programs: `--json-summary`, and what `bench --json` extends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Literal, cast

from streamfer.app.session.outputs import write_text
from streamfer.errors import StreamferError
from streamfer.media.files.claims import ClaimedPath
from streamfer.pipeline.config import RunOutcome
from streamfer.pipeline.stats.snapshots import RunSnapshot, StreamSnapshot

SCHEMA = "streamfer.summary/1"


RunEnd = Literal["done", "interrupted", "failed"]
"""How a run, or a stream of it, has ended."""


def summarise(
    snapshot: RunSnapshot,
    notes: tuple[str, ...] = (),
    outcome: RunEnd = "done",
    output_failures: Sequence[tuple[str, StreamferError]] = (),
) -> dict[str, Any]:
    """The summary as JSON-ready values.

    Args:
        snapshot: the statistics at the end of the run.
        notes: what else the user should know, such as transcoded audio.
        outcome: how the run has ended.
        output_failures: (output, error) of what could not be written.
    """
    latency = snapshot.latency_ms
    return {
        "schema": SCHEMA,
        "outcome": outcome,
        "fps": round(snapshot.fps, 3),
        "frames": snapshot.frames,
        "dropped": snapshot.dropped,
        "faces": snapshot.faces,
        "tracks": sum(len(stream.tracks) for stream in snapshot.streams),
        "seconds": round(snapshot.seconds, 3),
        "latency_ms": {
            "p50": round(latency.p50, 3) if latency else None,
            "p95": round(latency.p95, 3) if latency else None,
            "p99": round(latency.p99, 3) if latency else None,
        },
        "peak_rss_mb": round(peak_rss_mb(), 1),
        "backend": snapshot.backend,
        "device": snapshot.device,
        "streams": [_summarise_stream(stream, snapshot.seconds) for stream in snapshot.streams],
        "failed_outputs": [
            {"output": name, "message": str(error)} for name, error in output_failures
        ],
        "notes": list(notes),
    }


def _summarise_stream(stream: StreamSnapshot, seconds: float) -> dict[str, Any]:
    return {
        "stream": stream.info.stream,
        "fps": round(stream.frames / seconds, 3) if seconds else 0.0,
        "frames": stream.frames,
        "dropped": stream.dropped,
        "faces": stream.faces,
        "tracks": len(stream.tracks),
        "state": stream.state,
        "outcome": _outcome_of(stream),
        "message": stream.message,
    }


def run_outcome(outcome: RunOutcome, failed: bool = False) -> RunEnd:
    """How a run has ended.

    Args:
        outcome: what the pipeline says.
        failed: whether a stage's failure ended it.
    """
    if failed:
        return "failed"
    if outcome.interrupted:
        return "interrupted"
    return "failed" if outcome.source_failures or outcome.output_failures else "done"


def _outcome_of(stream: StreamSnapshot) -> RunEnd:
    if stream.state in ("done", "failed"):
        return cast(RunEnd, stream.state)
    return "interrupted"


def write_summary(path: ClaimedPath, summary: dict[str, Any]) -> None:
    """Writes the summary.

    Raises:
        OutputError: it cannot be written.
    """
    write_text(path, json.dumps(summary, indent=2) + "\n")


def peak_rss_mb() -> float:
    """The process's largest resident size so far, in MB (10⁶ bytes)."""
    if os.name == "nt":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
