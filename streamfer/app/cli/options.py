"""Gives commands the options of a dataclass, each of which is described only there."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from streamfer.app.config_fields import flag_name

C = TypeVar("C")


def with_options(config: type[C]) -> Callable[[Callable[[C], int]], Callable[..., int]]:
    """Gives a command the arguments and options of a dataclass.

    Args:
        config: whose fields, made by `option` and `argument`, are the options; the command is
            called with one of these.
    """

    def decorate(command: Callable[[C], int]) -> Callable[..., int]:
        def wrapper(**values: Any) -> int:
            given = {name: plain(v) for name, v in values.items() if v is not None}
            return command(config(**given))

        return as_command(wrapper, command, parameters_of(config))

    return decorate


def as_command(
    wrapper: Callable[..., int],
    command: Callable[..., int],
    parameters: Sequence[inspect.Parameter],
) -> Callable[..., int]:
    """The wrapper as Typer is to see it: with what the command says of itself, and parameters."""
    wrapper.__doc__ = command.__doc__
    wrapper.__name__ = command.__name__
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return wrapper


def parameters_of(config: type) -> tuple[inspect.Parameter, ...]:
    """One parameter for each option of a dataclass."""
    hints = typing.get_type_hints(config)
    return tuple(
        _parameter(field, hints[field.name])
        for field in dataclasses.fields(config)
        if "help" in field.metadata
    )


def _parameter(field: dataclasses.Field[Any], kind: Any) -> inspect.Parameter:
    default: Any = field.default
    if default is dataclasses.MISSING:
        default = inspect.Parameter.empty
    if typing.get_origin(kind) is tuple:  # given any number of times
        kind = list[typing.get_args(kind)[0]]  # type: ignore[misc]
        if default == ():
            kind, default = kind | None, None
    described = _described(field, kind)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, described],
    )


def _described(field: dataclasses.Field[Any], kind: Any) -> Any:
    text, metavar = field.metadata["help"], field.metadata["metavar"]
    if field.metadata["argument"]:
        return typer.Argument(metavar=metavar, help=text)
    flag = f"--{flag_name(field.name)}"
    if kind in (bool, bool | None) and field.default is not False:
        flag = f"{flag}/--no-{flag_name(field.name)}"
    shown = field.metadata["show_default"] and field.default not in (None, False)
    return typer.Option(
        flag,
        help=text,
        metavar=metavar,
        rich_help_panel=field.metadata["group"],
        show_default=shown,
    )


def plain(value: Any) -> Any:
    """A value as a configuration has it: repeated options are tuples."""
    return tuple(value) if isinstance(value, list) else value
