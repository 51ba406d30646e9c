"""Steps that follow from each other: one whose beginning has not changed is passed over."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import StreamferError
from streamfer.models.shipped import weights_sha256
from streamfer.training.whole_file import write_whole


@dataclass(frozen=True, slots=True)
class Step:
    """A step."""

    name: str
    run: Callable[[], object]
    made_from: tuple[Path, ...]
    """Files of whose content it makes something."""
    makes: tuple[Path, ...]
    """Files that are there once it is done."""
    options: tuple[str, ...] = ()
    """What it depends on besides."""

    def beginning(self) -> str:
        """SHA-256 (hex) of what it depends on.

        Raises:
            EngineError: a file is missing.
        """
        parts = (*self.options, *map(weights_sha256, self.made_from))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class StepError(StreamferError):
    """A step ended with an error, which it has said itself."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.exit_code = code


def module_step(
    name: str,
    main: Callable[[Sequence[str]], int],
    arguments: Sequence[str],
    made_from: tuple[Path, ...],
    makes: tuple[Path, ...],
) -> Step:
    """A step that is another command.

    Args:
        name: of the step.
        main: the command: arguments → exit code.
        arguments: what it is given.
        made_from: see `Step`.
        makes: see `Step`.
    """

    def run() -> None:
        if code := main(arguments):
            raise StepError(f"stopped at {name}; the same command goes on from there", code)

    return Step(name, run, made_from, makes, tuple(arguments))


def take_steps(
    steps: Sequence[Step], state: Path, clock: Callable[[], float] = time.monotonic
) -> None:
    """Takes the steps in order, but for those that are done and whose beginning is the same.

    Args:
        steps: the steps.
        state: JSON file that says how each that is done began.
        clock: seconds, monotonic.

    Raises:
        StreamferError: a step failed.
        OutputError: the file cannot be written.
    """
    done: dict[str, str] = json.loads(state.read_text()) if state.exists() else {}
    for step in steps:
        beginning = step.beginning()
        if done.get(step.name) == beginning and all(path.exists() for path in step.makes):
            print(f"{step.name}: done before")
            continue
        began = clock()
        step.run()
        done[step.name] = beginning
        write_whole(state, json.dumps(done, indent=1) + "\n")
        print(f"{step.name}: done in {clock() - began:.0f} s")
