"""The table of commands: it names what there is, and says of it what the commands say."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator

import pytest

from streamfer.app.cli.commands import PROGRAM
from streamfer.app.cli.groups import Command, Group
from tests.support.program import streamfer


def commands(group: Group = PROGRAM, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Command]]:
    for name, entry in group.commands.items():
        if isinstance(entry, Group):
            yield from commands(entry, (*words, name))
        else:
            yield " ".join([*words, name]), entry


COMMANDS = dict(commands())
OWN = [name for name, command in COMMANDS.items() if ":" in command.place]
FORWARDED = [name for name in COMMANDS if name not in OWN]


@pytest.mark.parametrize("name", OWN)
def test_the_list_says_what_the_help_says(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    module, function = COMMANDS[name].place.split(":")
    said = inspect.getdoc(getattr(importlib.import_module(module), function)) or ""
    assert said.splitlines()[0] == COMMANDS[name].purpose
    ended = streamfer(capfd, *name.split(), "--help")
    assert ended.code == 0
    assert f"Usage: streamfer {name} " in ended.out


@pytest.mark.parametrize("name", FORWARDED)
def test_a_forwarded_command_has_a_main(name: str) -> None:
    module = importlib.import_module(COMMANDS[name].place)
    assert list(inspect.signature(module.main).parameters) == ["arguments"]


def test_options_stand_under_their_headings(capfd: pytest.CaptureFixture[str]) -> None:
    out = streamfer(capfd, "run", "--help").out
    headings = [line for line in out.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings[:3] == ["Arguments:", "Options:", "Outputs:"]
    assert "Sources:" in headings
    assert out.index("Outputs:") < out.index("--records") < out.index("Sources:")


@pytest.mark.parametrize("group", ["engines", "weights", "train", "eval", "cluster"])
def test_a_group_alone_shows_its_commands(group: str, capfd: pytest.CaptureFixture[str]) -> None:
    ended = streamfer(capfd, group)
    assert (ended.code, ended.err) == (2, "")
    assert "Commands:" in ended.out


def test_a_mistyped_command_is_told_the_nearest(capfd: pytest.CaptureFixture[str]) -> None:
    assert "Did you mean 'engines'?" in streamfer(capfd, "engine").complaint
