"""Gives commands the options of `RunConfig`, each of which is described only there."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from streamfer.app.config import RunConfig, resolve
from streamfer.app.config_fields import flag_name

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file with these options; its paths are relative to it."),
]
"""The `--config` option; the command line wins over the file."""


def with_run_options(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the options of `RunConfig`, each of which is described only there.

    The command is called with its own parameters and `given`: the values typed on the command
    line, keyed by field.
    """
    own = inspect.signature(command, eval_str=True)
    own_parameters = [p for p in own.parameters.values() if p.name != "given"]

    def wrapper(context: typer.Context, **values: Any) -> int:
        given = {
            field.name: _plain(values[field.name])
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
        parameters=[context, *keyword_only, *_run_options()]
    )
    return wrapper


@functools.cache
def _run_options() -> tuple[inspect.Parameter, ...]:
    """One parameter for each option: the same for all commands, since reading the types takes a
    noticeable part of the time until help appears."""
    hints = typing.get_type_hints(RunConfig)
    return tuple(
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None if _is_repeated(hints[field.name]) else field.default,
            annotation=Annotated[_typer_kind(hints[field.name]), _typer_option(field)],
        )
        for field in dataclasses.fields(RunConfig)
        if field.name != "source"
    )


def _is_repeated(kind: Any) -> bool:
    """Whether an option may be given any number of times."""
    return kind == tuple[str, ...]


def _typer_kind(kind: Any) -> Any:
    return list[str] | None if _is_repeated(kind) else kind


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _typer_option(field: dataclasses.Field[Any]) -> Any:
    flag = f"--{flag_name(field.name)}"
    if field.name in ("display", "events", "refine", "tls_verify"):
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
    check_file(config_file, config, sources_from_file="source" not in given)
    return config
