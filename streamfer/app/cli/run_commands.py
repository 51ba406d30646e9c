"""The commands that take the options of `run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from streamfer.app.cli.run_options import ConfigFile, merged_config, with_run_options
from streamfer.media.sources.kinds import USAGE

_SOURCE_HELP = f"{USAGE[0].upper()}{USAGE[1:]}. Without any, camera 0."


@with_run_options
def run_command(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help=_SOURCE_HELP)
    ] = None,
    config: ConfigFile = None,
    *,
    given: dict[str, Any],
) -> int:
    """Analyse sources: window, annotated video, records, live statistics."""
    merged = merged_config(sources, config, given)
    if merged.cluster is not None:
        from streamfer.app.cluster.run import run_on_cluster

        return run_on_cluster(merged)
    from streamfer.app.cli.run import run

    from_file = config is not None and not sources
    return run(
        merged,
        (lambda: merged_config(None, config, given).source) if from_file else None,
    )


@with_run_options
def bench_command(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Files or demo:.")
    ] = None,
    config: ConfigFile = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
    streams: Annotated[
        str | None,
        typer.Option(
            "--streams",
            metavar="N,N,…",
            help="Measure with so many streams of SOURCE at once instead: 1,2,4,8.",
        ),
    ] = None,
    engines: Annotated[
        bool,
        typer.Option(
            "--engines", help="Measure the networks alone too, against their bare backends."
        ),
    ] = False,
    *,
    given: dict[str, Any],
) -> int:
    """Measure frames/s, latency, stage shares and memory on this machine."""
    from streamfer.app.bench.command import bench

    return bench(merged_config(sources, config, given), json_file, streams=streams, engines=engines)


@with_run_options
def build_engines_command(config: ConfigFile = None, *, given: dict[str, Any]) -> int:
    """Compile ahead of time what a run with these options needs."""
    from rich.console import Console

    from streamfer.app.cli.engines import build_engines

    return build_engines(Console(), merged_config(None, config, given))
