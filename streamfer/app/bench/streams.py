"""`streamfer bench SOURCE --streams 1,2,4`: the whole program against the number of streams."""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streamfer.app.bench.program import measured_config, measured_run, measuring_session
from streamfer.app.config import RunConfig
from streamfer.app.session.session import Session
from streamfer.app.session.signals import StopSignals
from streamfer.errors import ConfigError
from streamfer.media.sources.source_list import expand_sources
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.timing import StageTimes

_SHORTEST_CLIP_S = 0.04
"""Of a picture, which has no length."""


@dataclass(frozen=True, slots=True)
class StreamsBenchConfig:
    """How long to measure."""

    run_s: float = 8.0
    """Length of each run, in seconds; about, where frames are analysed as fast as possible."""
    live_s_per_stream: float = 0.5
    """Runs at the streams' own rate last at least so long for each stream. Clips end together,
    unlike cameras, and their last frames wait for each other: those must be few among all."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamsLoad:
    """What was measured with one number of streams."""

    streams: int
    fast: RunSnapshot
    """Every frame, as fast as possible."""
    live: RunSnapshot
    """The streams at their own rate, as if they were cameras: what is late is dropped."""

    @property
    def p95_ms(self) -> float | None:
        """Of the latency from decoder to result at the streams' own rate, in milliseconds."""
        return self.live.latency_ms.p95 if self.live.latency_ms else None

    @property
    def dropped_share(self) -> float:
        """Frames dropped at the streams' own rate, as a share of all."""
        return self.live.dropped / max(self.live.dropped + self.live.frames, 1)

    @property
    def fairness(self) -> float:
        """Analysed frames of the stream that got fewest over those of the one that got most, at
        their own rate: 1 where all are served alike."""
        frames = [stream.frames for stream in self.live.streams]
        return min(frames) / max(*frames, 1)


def bench_streams(
    config: RunConfig,
    counts: Sequence[int],
    console: Console,
    settings: StreamsBenchConfig | None = None,
) -> list[StreamsLoad]:
    """Measures one source as so many streams at once, and prints a table.

    Args:
        config: the source and settings. Without outputs of its own, records go to a temporary
            folder: who watches many streams hardly wants a video of each.
        counts: numbers of streams.
        console: where to.
        settings: how long to measure.

    Raises:
        ConfigError: it is more than one source, or a live one.
        StreamferError: a run failed.
    """
    if len(expand_sources(config.source)) != 1:
        raise ConfigError("bench: --streams takes one file or demo:")
    with tempfile.TemporaryDirectory(prefix="streamfer-bench-") as folder:
        if config.output is None and config.records is None:
            config = dataclasses.replace(config, records=Path(folder, "records.jsonl"))
        config = measured_config(config)
        with measuring_session(config) as session:
            loads = _measure(config, counts, session, console, settings or StreamsBenchConfig())
    _print(loads, console)
    return loads


def streams_as_json(loads: Sequence[StreamsLoad]) -> list[dict[str, Any]]:
    """What `bench --json` carries of them."""
    return [
        {
            "streams": load.streams,
            "fps": round(load.fast.fps, 2),
            "live_fps": round(load.live.fps, 2),
            "live_p95_ms": None if load.p95_ms is None else round(load.p95_ms, 2),
            "live_dropped_share": round(load.dropped_share, 4),
            "live_fairness": round(load.fairness, 4),
            "backend": load.live.backend,
            "device": load.live.device,
        }
        for load in loads
    ]


def _measure(
    config: RunConfig,
    counts: Sequence[int],
    session: Session,
    console: Console,
    settings: StreamsBenchConfig,
) -> list[StreamsLoad]:
    run_s = settings.run_s
    config = dataclasses.replace(config, loop=1, duration=min(config.duration or run_s, run_s))
    loads = []
    with StopSignals() as signals:
        console.print("warming up …")
        once = measured_run(config, session, signals, StageTimes())
        clip_s = max(*(stream.time_s for stream in once.streams), _SHORTEST_CLIP_S)
        fps = once.fps
        for count in counts:
            console.print(f"measuring {count} stream{'s' if count > 1 else ''} …")
            many = dataclasses.replace(config, source=config.source * count, concurrent_files=count)
            frames = math.ceil(fps * run_s / count)
            fast = dataclasses.replace(
                many, loop=math.ceil(frames / once.frames), max_frames=frames
            )
            live_s = max(run_s, settings.live_s_per_stream * count)
            live = dataclasses.replace(many, loop=math.ceil(live_s / clip_s), realtime=True)
            load = StreamsLoad(
                count,
                measured_run(fast, session, signals, StageTimes()),
                measured_run(live, session, signals, StageTimes()),
            )
            fps = load.fast.fps
            loads.append(load)
    return loads


def _print(loads: Sequence[StreamsLoad], console: Console) -> None:
    table = Table(
        title="All streams together, as fast as possible and at their own rate",
        title_justify="left",
    )
    for heading in ("streams", "frames/s", "each", "at own rate", "p95", "dropped", "fairness"):
        table.add_column(heading, justify="right")
    for load in loads:
        table.add_row(
            str(load.streams),
            f"{load.fast.fps:.1f}",
            f"{load.fast.fps / load.streams:.1f}",
            f"{load.live.fps:.1f}",
            "–" if load.p95_ms is None else f"{load.p95_ms:.1f} ms",
            f"{load.dropped_share:.0%}",
            f"{load.fairness:.2f}",
        )
    console.print(table)
