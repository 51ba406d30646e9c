"""`streamfer bench SOURCE`: frames/s, latency, core time, memory of the whole program."""

from __future__ import annotations

import dataclasses
import math
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from streamfer.app.bench.floor import Floor, measure_floor
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
    cores: bool = True
    """Whether to measure core time by stage, and the least that the video costs."""


@dataclass(frozen=True, slots=True, eq=False)
class CoreTimes:
    """CPU time and memory traffic by stage."""

    floor: Floor
    stages: dict[str, StageTime]
    """Of a run with networks on one thread, so that a stage's thread does its work."""
    frames: int
    """Of that run."""

    def core_ms(self, stage: str) -> float | None:
        """Core-milliseconds a frame; None where the run had no such stage."""
        if stage == "decode":  # FFmpeg's own threads do it
            return self.floor.decode
        time = self.stages.get(stage)
        return None if time is None else time.core_seconds / self.frames * 1000

    def written_kb(self, stage: str) -> float | None:
        """Kilobytes of pictures that it writes for a frame."""
        time = self.stages.get(stage)
        return None if time is None else time.written_bytes / self.frames / 1000


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
    core_ms: tuple[float, ...]
    """Core-milliseconds a frame of each round, of all the process's threads; the same slope."""
    cores: CoreTimes | None = None
    """None where they were not measured: they mean little where a GPU works."""

    @property
    def floor_share(self) -> float | None:
        """How much of the core time the video alone would have cost, 0–1."""
        if self.cores is None:
            return None
        return self.cores.floor.total / max(statistics.median(self.core_ms), 1e-6)

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
        settings = settings or ProgramBenchConfig()
        with measuring_session(config, spare_core=config.output is not None) as session:
            result = _measure(config, session, console, settings)
        if settings.cores and result.long.device == "cpu":
            console.print("measuring core time, networks on one thread …")
            cores = _measure_cores(config, Path(folder))
            result = dataclasses.replace(result, cores=cores)
    _print(result, console)
    return result


def measured_config(config: RunConfig) -> RunConfig:
    """The configuration of a measured run: it shows nothing."""
    return dataclasses.replace(config, display=False, quiet=True, json_summary=None)


@contextmanager
def measuring_session(config: RunConfig, *, spare_core: bool = False) -> Iterator[Session]:
    """A session whose networks are open before anything is measured; see `Session.open`."""
    with (
        BuildProgress(Console(stderr=True)) as progress,
        Session.configured(config, progress) as session,
    ):
        session.open(spare_core=spare_core)
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
        rates, core_ms = [], []
        frames = 0
        for number in range(1, settings.rounds + 1):
            console.print(f"measuring, round {number} of {settings.rounds} …")
            began_s = time.process_time()
            short = measured_run(_looped(config, loops), session, signals, StageTimes())
            between_s = time.process_time()
            long = measured_run(_looped(config, 3 * loops), session, signals, times)
            cores_s = time.process_time() - between_s - (between_s - began_s)
            frames += long.frames
            rates.append(_slope(short, long))
            core_ms.append(cores_s / max(long.frames - short.frames, 1) * 1000)
        console.print("measuring latency at the source's own rate …")
        live = measured_run(
            dataclasses.replace(config, realtime=True), session, signals, StageTimes()
        )
    stages = times.snapshot()
    return ProgramResult(tuple(rates), live, stages, frames, long, tuple(core_ms))


def _measure_cores(config: RunConfig, folder: Path) -> CoreTimes:
    """One more run, and the floor; refinement works in a process of its own."""
    alone = dataclasses.replace(config, threads=1, refine=False)
    times = StageTimes()
    with measuring_session(alone) as session, StopSignals() as signals:
        run = measured_run(alone, session, signals, times)
    return CoreTimes(measure_floor(config, folder), times.snapshot(), max(run.frames, 1))


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
    console.print(f"core time: {statistics.median(result.core_ms):.1f} ms a frame")
    if result.cores is not None:
        floor = result.cores.floor
        console.print(
            f"floor of this machine: {floor.total:.1f} ms a frame (decode {floor.decode:.1f},"
            f" convert {floor.convert:.1f}, encode {floor.encode:.1f});"
            f" {result.floor_share:.0%} of the core time"
        )
    console.print(_table(result))


def _table(result: ProgramResult) -> Table:
    table = Table(title="Where the time goes", title_justify="left")
    table.add_column("stage")
    cores = result.cores
    headings = ["ms a frame", "share", "calls a frame"]
    for heading in headings + (["core-ms a frame", "kB written"] if cores else []):
        table.add_column(heading, justify="right")
    for name, (per_frame_ms, share, calls) in _stage_rows(result).items():
        cells = [f"{per_frame_ms:.2f}", f"{share:.0%}", f"{calls:.2f}"]
        if cores is not None:
            core_ms, written_kb = cores.core_ms(name), cores.written_kb(name)
            cells.append("–" if core_ms is None else f"{core_ms:.2f}")
            cells.append(f"{written_kb:.0f}" if written_kb else "–")
        table.add_row(name, *cells)
    return table


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
        "core_ms_per_frame": round(statistics.median(result.core_ms), 3),
        **({} if result.cores is None else _cores_as_json(result, result.cores)),
    }


def _cores_as_json(result: ProgramResult, cores: CoreTimes) -> dict[str, Any]:
    return {
        "stages_core_ms_per_frame": {
            name: round(core_ms, 3)
            for name in STAGES
            if (core_ms := cores.core_ms(name)) is not None
        },
        "stages_written_kb_per_frame": {
            name: round(written_kb, 1) for name in STAGES if (written_kb := cores.written_kb(name))
        },
        "floor_core_ms_per_frame": {
            field.name: round(getattr(cores.floor, field.name), 3)
            for field in dataclasses.fields(cores.floor)
        },
        "floor_share": round(result.floor_share or 0.0, 3),
    }
