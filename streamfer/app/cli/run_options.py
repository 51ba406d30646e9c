"""Gives commands the options of a run, from the command line and from a file."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from streamfer.app.cli.options import as_command, parameters_of, plain
from streamfer.app.config import RunConfig, resolve

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with these options; its paths are relative to it."),
]
"""The `--config` option; the command line wins over the file."""


def with_run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of `RunConfig`.

    The command is called with its own parameters and `given`: the values typed on the command
    line, keyed by field.
    """
    own = inspect.signature(command, eval_str=True)
    own_parameters = [p for p in own.parameters.values() if p.name != "given"]

    def wrapper(context: typer.Context, **values: Any) -> int:
        given = {
            field.name: plain(values[field.name])
            for field in dataclasses.fields(RunConfig)
            if field.name in values and _was_typed(context, field.name)
        }
        return command(**{p.name: values[p.name] for p in own_parameters}, given=given)

    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own_parameters]
    return as_command(wrapper, command, [context, *keyword_only, *_parameters()])


@functools.cache
def _parameters() -> tuple[inspect.Parameter, ...]:
    """The same for all commands, since reading the types takes a noticeable part of the time until
    help appears."""
    return parameters_of(RunConfig)


def _was_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def merged_config(
    sources: list[str] | None, config_file: Path | None, given: dict[str, Any]
) -> RunConfig:
    """The configuration that the command line and the file make together.

    Raises:
        ConfigError: the file or a value is wrong.
    """
    if sources:
        given = {**given, "source": tuple(sources)}
    if config_file is None:
        return resolve(given, {})
    from streamfer.app.config_file import anchored, check_file, load_config  # loads PyAV

    file_values = anchored(load_config(config_file), config_file.parent)
    config = resolve(given, file_values)
    check_file(config_file, config, from_file=file_values.keys() - given.keys())
    return config
