"""The `streamfer` command. Heavy packages are imported by the sub-command that needs them."""

from __future__ import annotations

import dataclasses
import inspect
import logging
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from streamfer import __version__
from streamfer.app.config import RunConfig, flag_name, load_config, resolve
from streamfer.app.logs import complain
from streamfer.errors import PipelineError, StreamferError

log = logging.getLogger(__name__)

app = typer.Typer(
    name="streamfer",
    help="Reads faces in live video: finds, follows and classifies every face of cameras, streams "
    "and files.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)

_SOURCE_HELP = (
    "A file, a folder, 0 (webcam), camera:N, /dev/videoN, rtsp://…, http(s)://…, srt://…, udp://…, "
    "screen:, lavfi:GRAPH or demo:.  [default: 0]"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: without the program's name; None for the process's own.

    Returns:
        The exit code.
    """
    try:
        code = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except TyperException as error:  # bad usage
        complain(error.format_message())
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        log.debug("traceback", exc_info=error)
        complain(_message(error))
        return error.exit_code if isinstance(error, StreamferError) else 1
    return code if isinstance(code, int) else 0


def _message(error: Exception) -> str:
    """What the user needs to know of an error."""
    if isinstance(error, PipelineError) and isinstance(error.__cause__, StreamferError):
        return str(error.__cause__)  # it says itself what failed and where
    if isinstance(error, StreamferError) and not isinstance(error, PipelineError):
        return str(error)
    return f"a bug in streamfer: {error!r}; --log-level debug shows where"


def _with_run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of `RunConfig`, each of which is described only there.

    The command is called with its own parameters and `given`: the values typed on the command
    line, keyed by field.
    """
    hints = typing.get_type_hints(RunConfig)
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=Annotated[hints[field.name], _typer_option(field)],
        )
        for field in dataclasses.fields(RunConfig)
        if field.name != "source"
    ]
    own = inspect.signature(command, eval_str=True)
    own_parameters = [p for p in own.parameters.values() if p.name != "given"]

    def wrapper(context: typer.Context, **values: Any) -> int:
        given = {
            field.name: values[field.name]
            for field in dataclasses.fields(RunConfig)
            if field.name in values and _was_typed(context, field.name)
        }
        return command(**{p.name: values[p.name] for p in own_parameters}, given=given)

    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own_parameters]
    wrapper.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[context, *keyword_only, *options]
    )
    return wrapper


def _typer_option(field: dataclasses.Field[Any]) -> Any:
    flag = f"--{flag_name(field.name)}"
    if field.name in ("display",):
        flag = f"{flag}/--no-{flag_name(field.name)}"
    return typer.Option(
        flag,
        help=field.metadata["help"],
        metavar=field.metadata["metavar"],
        rich_help_panel=field.metadata["group"],
        show_default=field.default not in (None, False),
    )


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _config(
    sources: list[str] | None, config_file: Path | None, given: dict[str, Any]
) -> RunConfig:
    file_values = load_config(config_file) if config_file else {}
    if sources:
        given = {**given, "source": tuple(sources)}
    return resolve(given, file_values)


@app.command("run")
@_with_run_options
def run_command(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help=_SOURCE_HELP)
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with these options.")
    ] = None,
    *,
    given: dict[str, Any],
) -> int:
    """Analyse sources: window, annotated video, records, live statistics."""
    from streamfer.app.run import run

    return run(_config(sources, config, given))


@app.command("bench")
@_with_run_options
def bench_command(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Files or demo:.")],
    config: Annotated[
        Path | None, typer.Option("--config", help="TOML file with these options.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
    *,
    given: dict[str, Any],
) -> int:
    """Measure frames/s, latency, stage shares and memory on this machine."""
    from streamfer.app.bench import bench

    return bench(_config(sources, config, given), json_file)


@app.command("verify")
def verify_command(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The file that was analysed.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Its annotated video.")],
    records: Annotated[
        Path | None, typer.Argument(metavar="[RECORDS]", help="Its records.")
    ] = None,
) -> int:
    """Hold an annotated video and its records against the input; exit 1 with the first
    difference."""
    from streamfer.media.verify import verify_outputs

    differences = verify_outputs(source, output, records)
    if differences:
        print(differences[0])
        return 1
    print(f"{output}: frames, times, audio and records agree with {source}")
    return 0


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"streamfer {__version__}")
        raise typer.Exit
