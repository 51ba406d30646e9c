"""What the command lines of the trainings share."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamfer.errors import ConfigError, StreamferError

C = TypeVar("C")


def training_parser(module: str, purpose: str, config: type) -> argparse.ArgumentParser:
    """A parser with the common options and one option per plain number of a configuration."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument("--data", type=Path, required=True, help="FER2013 data")
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    for field in dataclasses.fields(config):
        default = field.default
        if isinstance(default, bool):
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                action=argparse.BooleanOptionalAction,
                default=default,
                help=f"default: {'on' if default else 'off'}",
            )
        elif isinstance(default, int | float):
            parser.add_argument(
                f"--{field.name.replace('_', '-')}",
                type=type(default),
                default=default,
                metavar="N",
                help=f"default: {default}",
            )
    return parser


def config_from(options: argparse.Namespace, config: type[C], **given: Any) -> C:
    """The configuration that the options describe; `given` are the fields without an option."""
    fields = dataclasses.fields(config)  # type: ignore[arg-type]
    plain = {field.name for field in fields if isinstance(field.default, int | float)}
    values = {k: v for k, v in vars(options).items() if k in plain}
    return config(**values, **given)


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA where there is one.

    Raises:
        ConfigError: there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device {name} cannot be used: {reason}") from error
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True  # the trainings' shapes never change
    return device


def run_command(command: Callable[[], None]) -> int:
    """Runs a command; an error is one line on stderr, and its exit code is returned."""
    try:
        command()
    except StreamferError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


class ProgressLine:
    """A progress bar with the time left, and a plain line per report where nobody watches.

    Args:
        total: units in all.
        unit: what is counted.
    """

    def __init__(self, total: float, unit: str) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task(unit, total=total)

    def __enter__(self) -> ProgressLine:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def advance(self, count: float) -> None:
        """Moves the bar by `count` units."""
        self._progress.advance(self._task, count)

    def report(self, done: float, metrics: dict[str, Any]) -> None:
        """Moves the bar to `done` units and shows the metrics."""
        text = "  ".join(
            f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in metrics.items()
        )
        self._progress.update(self._task, completed=done)
        self._console.print(text, highlight=False, soft_wrap=True)
