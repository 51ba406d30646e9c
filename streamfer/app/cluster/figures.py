"""What a clustered run is at, for the views, the metrics and the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from streamfer.app.cluster.reports import StreamFigures


@dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker at one moment."""

    worker: str
    node: str | None
    """None while it starts."""
    streams: tuple[StreamFigures, ...] = ()
    """What it has in hand."""

    @property
    def fps(self) -> float:
        """Analysed frames/s, all streams together."""
        return sum(stream.fps for stream in self.streams)


@dataclass(frozen=True, slots=True)
class ClusterFigures:
    """The whole run at one moment."""

    elapsed_s: float
    seconds: float
    """From the first file given out to the last result, or for which cameras have been watched:
    without the start of workers."""
    total: int
    """Files, or cameras."""
    waiting: int
    running: int
    done: int
    """Also by earlier runs."""
    failed: Mapping[str, str]
    """Why, by stream."""
    frames: int
    """Analysed by this run."""
    faces: int
    dropped: int
    workers: tuple[WorkerFigures, ...]
    lost: int
    """Workers that were lost."""
    moved: int
    """Files that were tried again and cameras that changed workers, so far."""
    eta_s: float | None
    """Seconds that are left at the rate so far; None where nobody can know."""
    live: bool = False
    """Whether it is cameras."""

    @property
    def fps(self) -> float:
        """Analysed frames/s now, all workers together."""
        return sum(worker.fps for worker in self.workers)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, as `/api/cluster` and `status.json` have it."""
        figures = asdict(self)
        for worker, entry in zip(self.workers, figures["workers"], strict=True):
            entry["fps"] = round(worker.fps, 2)
        return {
            **figures,
            "fps": round(self.fps, 2),
            "elapsed_s": round(self.elapsed_s, 1),
            "seconds": round(self.seconds, 3),
        }


def remaining_s(elapsed_s: float, done: int, left: int) -> float | None:
    """How long the rest takes at the rate so far; None before anything is done.

    Args:
        elapsed_s: since the first file was given out.
        done: files since then.
        left: files to do.
    """
    return round(elapsed_s / done * left, 1) if done else None
