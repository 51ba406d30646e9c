"""The `streamfer` command. Heavy packages are imported by the sub-command that needs them."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException

from streamfer import __version__
from streamfer.app.cli.cluster import cluster_app
from streamfer.app.cli.learn import eval_app, train_app
from streamfer.app.cli.learn_latent import add_latent_commands
from streamfer.app.cli.options import ConfigFile, merged_config, with_run_options
from streamfer.app.cli.report import add_report_commands
from streamfer.app.cli.sketch_options import sketch_command
from streamfer.app.cli.weights_commands import weights_app
from streamfer.app.report.export.options import add_export_command
from streamfer.app.report.find.options import add_find_command
from streamfer.app.terminal.logs import complain
from streamfer.app.terminal.standard_streams import shield_standard_streams
from streamfer.errors import ConfigError, PipelineError, StreamferError
from streamfer.runtime.extras import install_command, is_extra

log = logging.getLogger(__name__)

app = typer.Typer(
    name="streamfer",
    help="Reads faces in live video: finds, follows and classifies every face of cameras, streams "
    "and files.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_SOURCE_HELP = (
    "A file, a folder, 0 (webcam), camera:N, /dev/videoN, rtsp://…, http(s)://…, srt://…, udp://…, "
    "screen:, lavfi:GRAPH or demo:. Without any, camera 0."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; None for the process's own.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(args=given or ["--help"], prog_name="streamfer", standalone_mode=False)
    except TyperException as error:  # bad usage
        complain(error.format_message())
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        log.debug("traceback", exc_info=error)
        told = _missing_extra(error) or error
        complain(_message(told))
        return told.exit_code if isinstance(told, StreamferError) else 1
    return code if isinstance(code, int) else 0


def run_process() -> NoReturn:
    """Runs the command line as a process of its own, and ends it.

    Threads that sit in a read that nothing can interrupt (a camera driver's, a name server's) would
    hold the interpreter's exit for ever; by now every output is closed.
    """
    shield_standard_streams()
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if threading.active_count() > 1:
        os._exit(code)
    sys.exit(code)


def _missing_extra(error: Exception) -> ConfigError | None:
    """What to say where a command needs a package that only some users have."""
    package = error.name if isinstance(error, ModuleNotFoundError) else None
    if package is None or not is_extra(package):
        return None
    return ConfigError(f"this needs {package}, which is not installed: {install_command(package)}")


def _message(error: Exception) -> str:
    """What the user needs to know of an error."""
    if isinstance(error, PipelineError) and isinstance(error.__cause__, StreamferError):
        return str(error.__cause__)  # it says itself what failed and where
    if isinstance(error, StreamferError) and not isinstance(error, PipelineError):
        return str(error)
    return f"a bug in streamfer: {error!r}; --log-level debug shows where"


@app.command("run")
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


@app.command("bench")
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


@app.command("verify")
def verify_command(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The file that was analysed.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Its annotated video.")],
    records: Annotated[
        Path | None, typer.Argument(metavar="[RECORDS]", help="Its records.")
    ] = None,
) -> int:
    """Hold an annotated video and its records against the input.

    Prints the first difference and exits with 1 if there is one.
    """
    from streamfer.media.verify.outputs import verify_outputs

    differences = verify_outputs(source, output, records)
    if differences:
        print(differences[0])
        return 1
    print(f"{output}: frames, times, audio and records agree with {source}")
    return 0


@app.command("complete")
def complete_command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Parquet records and latents of killed runs."),
    ],
) -> int:
    """Complete Parquet records and latents from the journals that a killed run left."""
    from streamfer.app.cli.complete import complete

    return complete(paths)


@app.command("measure")
def measure_command(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORDS...", help="Records of one or several runs.")
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write them as CSV.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS|auto",
            help="Also measure how each face departs from its usual look, learned from its first"
            " seconds, or all of it.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK=NAME", help="Tracks of one name have one usual look."),
    ] = None,
) -> int:
    """Measure recorded faces: shares of time, transitions, synchrony and mimicry of pairs."""
    from streamfer.app.report.measure.command import measure

    return measure(records, json_file, csv_file, baseline, name or ())


add_export_command(app)
add_find_command(app)


@app.command("doctor")
def doctor_command() -> int:
    """Say what this machine has and lacks, and what to do about it."""
    from rich.console import Console

    from streamfer.app.cli.doctor import doctor

    return doctor(Console())


app.add_typer(train_app, name="train")
app.add_typer(eval_app, name="eval")
add_latent_commands(app, train_app, eval_app)
app.command("sketch")(sketch_command)
app.add_typer(weights_app, name="weights")
app.add_typer(cluster_app, name="cluster")
add_report_commands(app)

engines_app = typer.Typer(help="Engines compiled for this machine.", no_args_is_help=True)
app.add_typer(engines_app, name="engines")


@engines_app.command("list")
def list_engines_command() -> int:
    """Show what is compiled."""
    from rich.console import Console

    from streamfer.app.cli.engines import list_engines

    return list_engines(Console())


@engines_app.command("build")
@with_run_options
def build_engines_command(config: ConfigFile = None, *, given: dict[str, Any]) -> int:
    """Compile ahead of time what a run with these options needs."""
    from rich.console import Console

    from streamfer.app.cli.engines import build_engines

    return build_engines(Console(), merged_config(None, config, given))


@engines_app.command("clean")
def clean_engines_command() -> int:
    """Throw the compiled engines away; they are built again when needed."""
    from rich.console import Console

    from streamfer.app.cli.engines import clean_engines

    return clean_engines(Console())


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"streamfer {__version__}")
        raise typer.Exit
