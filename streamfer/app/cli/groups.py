"""Groups of commands that are imported and made when they are called, so that help stays quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

_WIDTH = 100
"""Most characters of a line of help."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command, as the list of commands has it."""

    place: str
    """`module:function`; without a function `main`, which takes the arguments as they are: its
    options are those of `python -m module`."""
    purpose: str
    """The first line of its help."""


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that go by a common first word."""

    purpose: str
    commands: Mapping[str, Command | Group]


class CommandGroup(TyperGroup):
    """A group that lists its commands without importing them."""

    group = Group("", {})

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of the table."""
        return list(self.group.commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the names and purposes."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, e.purpose) for name, e in self.group.commands.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As any group's, but that a lone group shows its help, and is bad usage."""
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            raise typer.Exit(2)
        return super().parse_args(ctx, args)


class GroupedOptions(TyperCommand):
    """A command whose help has its options under the headings that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes one section for each heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None:
                is_argument = parameter.param_type_name == "argument"
                heading = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault("Arguments" if is_argument else heading, []).append(row)
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def make_group(
    name: str, group: Group, callback: Callable[..., None] = lambda: None
) -> CommandGroup:
    """The group as Typer has it.

    Args:
        name: its own.
        group: what is in it.
        callback: takes the options of the group itself.
    """
    app = _typer(name=name, help=group.purpose, callback=callback, cls=CommandGroup)
    made = typer.main.get_command(app)
    assert isinstance(made, CommandGroup)
    made.group = group
    made.commands = _Commands(group.commands)  # type: ignore[assignment]  # none is added later
    return made


class _Commands(Mapping[str, Any]):
    """Commands by name, each made when it is asked for."""

    def __init__(self, entries: Mapping[str, Command | Group]) -> None:
        self._entries = entries

    def __getitem__(self, name: str) -> Any:
        entry = self._entries[name]
        if isinstance(entry, Group):
            return make_group(name, entry)
        return _make_command(name, entry)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _make_command(name: str, command: Command) -> Any:
    app = _typer()
    module, _, function = command.place.partition(":")
    if function:
        app.command(name, cls=GroupedOptions)(getattr(importlib.import_module(module), function))
        return typer.main.get_command(app)

    def forward(context: typer.Context) -> int:
        main: Callable[[list[str]], int] = importlib.import_module(module).main
        return main(context.args)

    settings = {"ignore_unknown_options": True, "allow_extra_args": True}
    app.command(name, help=command.purpose, context_settings=settings, add_help_option=False)(
        forward
    )
    return typer.main.get_command(app)


def _typer(**settings: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,  # loading rich takes longer than all the rest of help
        context_settings={"max_content_width": _WIDTH},
        **settings,
    )
