"""`streamfer bench`: how fast this machine is, in the three ways that one can ask."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from streamfer import __version__
from streamfer.app.bench.engines import EngineBenchConfig, bench_engines, rates_as_json
from streamfer.app.bench.program import ProgramBenchConfig, bench_program, program_as_json
from streamfer.app.bench.refinement import bench_refinement
from streamfer.app.bench.streams import StreamsBenchConfig, bench_streams, streams_as_json
from streamfer.app.config import RunConfig
from streamfer.app.session.summary import write_summary
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.runtime.hardware import core_count
from streamfer.runtime.planning import find_machine
from streamfer.runtime.store.store import EngineStore


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """How long to measure."""

    program: ProgramBenchConfig = field(default_factory=ProgramBenchConfig)
    """The whole program."""
    streams: StreamsBenchConfig = field(default_factory=StreamsBenchConfig)
    """The whole program with so many streams."""
    engines: EngineBenchConfig = field(default_factory=EngineBenchConfig)
    """The networks alone."""


def bench(
    config: RunConfig,
    json_file: Path | None,
    settings: BenchConfig | None = None,
    *,
    streams: str | None = None,
    engines: bool = False,
) -> int:
    """Measures and prints.

    Args:
        config: sources and settings.
        json_file: where to write the figures, if anywhere.
        settings: how long to measure.
        streams: numbers of streams of the one source to measure with (`1,2,4`), instead of
            measuring it once and in detail.
        engines: whether to measure the networks alone, after the source or without one.

    Returns:
        The exit code.

    Raises:
        ConfigError: there is nothing to measure, the numbers are none, or a source is no file, so
            that it cannot be played faster than it comes.
        StreamferError: a run failed.
    """
    settings = settings or BenchConfig()
    counts = _counts(streams)
    if not config.source and (counts or not engines):
        raise ConfigError("bench: name a file or demo:, or measure the networks with --engines")
    claims = OutputClaims(Path(source) for source in config.source)
    if json_file is not None:
        claims.name("--json", json_file)
    console = Console()
    figures = _circumstances()
    console.print(f"[bold]{'; '.join([figures['hardware'], *figures['gpus']])}[/]")
    console.print(", ".join(f"{name} {version}" for name, version in figures["versions"].items()))
    if counts:
        loads = bench_streams(config, counts, console, settings.streams)
        figures["by_streams"] = streams_as_json(loads)
    elif config.source:
        figures = program_as_json(bench_program(config, console, settings.program)) | figures
    if engines:
        figures["engines"] = rates_as_json(bench_engines(config, console, settings.engines))
        refinement = bench_refinement(config, EngineStore(), console)
        figures["refinement"] = refinement and refinement.as_json()
    if json_file is not None:
        write_summary(claims.replace(json_file), figures)
    return 0


def _counts(text: str | None) -> tuple[int, ...]:
    """Reads `1,2,4`.

    Raises:
        ConfigError: it is no list of numbers above 0.
    """
    if text is None:
        return ()
    try:
        counts = tuple(int(part) for part in text.split(","))
    except ValueError:
        counts = (0,)
    if min(counts) < 1:
        raise ConfigError(f"streams: expected numbers such as 1,2,4, got {text!r}")
    return counts


def _circumstances() -> dict[str, Any]:
    """On what the figures depend, JSON-ready."""
    machine = find_machine()
    return {
        "hardware": hardware(),
        "gpus": [str(gpu) for gpu in machine.gpus],
        "versions": {"streamfer": __version__, **machine.versions},
    }


def hardware() -> str:
    """The processor and how many cores this process may use."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return f"{name}, {core_count()} cores"
