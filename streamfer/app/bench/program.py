"""`streamfer bench SOURCE`: frames/s, latency, stage shares and memory of the whole program."""

from __future__ import annotations

import dataclasses
import math
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streamfer.app.config import RunConfig
from streamfer.app.session.session import Session
from streamfer.app.session.signals import StopSignals
from streamfer.app.session.summary import peak_rss_mb, summarise
from streamfer.app.terminal.build_progress import BuildProgress
from streamfer.errors import ConfigError, SourceError
from streamfer.pipeline.stats.snapshots import RunSnapshot
from streamfer.pipeline.stats.timing import STAGES, StageTime, StageTimes


@dataclass(frozen=True, slots=True)
class ProgramBenchConfig:
    """How long to measure."""

    rounds: int = 3
    """Measurements; the median is quoted."""
    short_run_s: float = 4.0
    """The rate is the difference between a run of at least this length, in seconds, and one three
    times as long, so that start and end cancel out."""


@dataclass(frozen=True, slots=True, eq=False)
class ProgramResult:
    """What was measured."""

    rates: tuple[float, ...]
    """Frames/s of each round: the slope between its short and its long run."""
    live: RunSnapshot
    """The run at the sources' own rate, for latency and drops."""
    stages: dict[str, StageTime]
    """Time per stage over the long runs."""
    stage_frames: int
    """Frames of the long runs."""
    long: RunSnapshot
    """The last long run."""

    @property
    def fps(self) -> float:
        """Median rate, in frames/s."""
        return statistics.median(self.rates)


def bench_program(
    config: RunConfig, console: Console, settings: ProgramBenchConfig | None = None
) -> ProgramResult:
    """Measures whole runs, and prints what was found.

    Args:
        config: sources and settings. Without outputs of its own, annotated video and records go to
            a temporary folder, so that everything is on.
        console: where to.
        settings: how long to measure.

    Raises:
        ConfigError: a source is no file, so that it cannot be played faster than it comes.
        StreamferError: a run failed.
    """
    with tempfile.TemporaryDirectory(prefix="streamfer-bench-") as folder:
        if config.output is None and config.records is None:
            config = dataclasses.replace(
                config, output=Path(folder, "{stream}.mp4"), records=Path(folder, "records.jsonl")
            )
        config = measured_config(config)
        with measuring_session(config) as session:
            result = _measure(config, session, console, settings or ProgramBenchConfig())
    _print(result, console)
    return result


def measured_config(config: RunConfig) -> RunConfig:
    """The configuration of a measured run: it shows nothing."""
    return dataclasses.replace(config, display=False, quiet=True, json_summary=None)


@contextmanager
def measuring_session(config: RunConfig) -> Iterator[Session]:
    """A session whose networks are open before anything is measured."""
    with (
        BuildProgress(Console(stderr=True)) as progress,
        Session.configured(config, progress) as session,
    ):
        session.open()
        yield session


def measured_run(
    config: RunConfig, session: Session, signals: StopSignals, times: StageTimes
) -> RunSnapshot:
    """Runs once.

    Returns:
        The statistics at its end.

    Raises:
        ConfigError: a source is live.
        SourceError: a source failed.
        KeyboardInterrupt: a signal ended it.
    """
    with closing(session.job(config, times=times)) as job:
        if not config.realtime and job.live:
            raise ConfigError("bench: needs files or demo:; a live source sets its own pace")
        outcome = job.run(lambda: job.abort() if signals.count else None)
    for _, error in outcome.failures:
        raise SourceError(f"bench: {error}")
    if outcome.interrupted:
        raise KeyboardInterrupt
    return outcome.snapshot


def _measure(
    config: RunConfig, session: Session, console: Console, settings: ProgramBenchConfig
) -> ProgramResult:
    with StopSignals() as signals:
        console.print("warming up …")
        warm = measured_run(config, session, signals, StageTimes())
        loops = max(math.ceil(settings.short_run_s / max(warm.seconds, 1e-3)), 1)
        times = StageTimes()
        rates = []
        frames = 0
        for number in range(1, settings.rounds + 1):
            console.print(f"measuring, round {number} of {settings.rounds} …")
            short = measured_run(_looped(config, loops), session, signals, StageTimes())
            long = measured_run(_looped(config, 3 * loops), session, signals, times)
            frames += long.frames
            rates.append(_slope(short, long))
        console.print("measuring latency at the source's own rate …")
        live = measured_run(
            dataclasses.replace(config, realtime=True), session, signals, StageTimes()
        )
    return ProgramResult(tuple(rates), live, times.snapshot(), frames, long)


def _looped(config: RunConfig, loops: int) -> RunConfig:
    """So many times the frames; a limit grows too, or the long run would be the short one."""
    limit = None if config.max_frames is None else config.max_frames * loops
    return dataclasses.replace(config, loop=config.loop * loops, max_frames=limit)


def _slope(short: RunSnapshot, long: RunSnapshot) -> float:
    return (long.frames - short.frames) / max(long.seconds - short.seconds, 1e-6)


def _print(result: ProgramResult, console: Console) -> None:
    console.print()
    console.print(f"{result.long.backend} on {result.long.device}")
    spread = f"{min(result.rates):.1f}–{max(result.rates):.1f}"
    console.print(f"[bold]{result.fps:.1f} frames/s[/] (median of {len(result.rates)}, {spread})")
    latency = result.live.latency_ms
    if latency is not None:
        console.print(
            f"latency at the source's own rate: p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms,"
            f" p99 {latency.p99:.1f} ms; {result.live.dropped} frames dropped"
        )
    console.print(f"peak memory: {peak_rss_mb():.0f} MB")
    table = Table(title="Where the time goes", title_justify="left")
    table.add_column("stage")
    for heading in ("ms a frame", "share", "calls a frame"):
        table.add_column(heading, justify="right")
    for name, (per_frame_ms, share, calls) in _stage_rows(result).items():
        table.add_row(name, f"{per_frame_ms:.2f}", f"{share:.0%}", f"{calls:.2f}")
    console.print(table)


def _stage_rows(result: ProgramResult) -> dict[str, tuple[float, float, float]]:
    """Stage → (ms a frame, share of all stages' time, calls a frame), in pipeline order."""
    total = sum(time.seconds for time in result.stages.values()) or 1.0
    frames = max(result.stage_frames, 1)
    return {
        name: (time.seconds / frames * 1000, time.seconds / total, time.calls / frames)
        for name in STAGES
        if (time := result.stages.get(name)) is not None
    }


def program_as_json(result: ProgramResult) -> dict[str, Any]:
    """What `bench --json` carries of it."""
    live = summarise(result.live)
    return {
        **summarise(result.long),
        "fps": round(result.fps, 2),
        "fps_rounds": [round(rate, 2) for rate in result.rates],
        "latency_ms": live["latency_ms"],
        "live_dropped": result.live.dropped,
        "stages_ms_per_frame": {
            name: round(row[0], 3) for name, row in _stage_rows(result).items()
        },
    }
