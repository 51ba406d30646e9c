"""What the command lines of the trainings share."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from streamfer.errors import ConfigError, StreamferError
from streamfer.models.shipped import SHIPPED
from streamfer.training.data_summary import print_summary, taken_whole
from streamfer.training.faces.aligned import AlignedFaces, aligned
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import LandmarkCache, open_landmarks, summary_of
from streamfer.training.faces.sources import read_faces
from streamfer.training.reading import CODINGS, Reading
from streamfer.training.splits import VALIDATION_SHARE, Splits, read_splits

C = TypeVar("C")


def training_parser(
    module: str, purpose: str, config: type, *, splits: bool = False
) -> argparse.ArgumentParser:
    """A parser with the common options and one option per plain number of a configuration."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=purpose)
    parser.add_argument("--data", type=Path, required=True, help="labelled faces")
    add_reading(parser, splits=splits)
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    add_numbers(parser, config)
    return parser


def add_numbers(
    parser: argparse.ArgumentParser, config: type, without: Collection[str] = ()
) -> None:
    """Adds one option per plain number of a configuration, but for those named."""
    for field in dataclasses.fields(config):
        default = field.default
        if field.name in without:
            continue
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


def fitting_parser(module: str, description: str) -> argparse.ArgumentParser:
    """The options of what is fitted to the networks of a folder.

    Args:
        module: that is run, as after `python -m`.
        description: what is fitted.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--data", type=Path, required=True, help="labelled faces")
    add_reading(parser, splits=True)
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED.folder, help="folder; default: the shipped weights"
    )
    parser.add_argument("--out", type=Path, required=True, help="file for the result (JSON)")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    return parser


def add_reading(parser: argparse.ArgumentParser, *, splits: bool = False) -> None:
    """Adds the options of how data are read.

    Args:
        parser: gets them.
        splits: whether faces that choose are wanted besides those that teach.
    """
    parser.add_argument(
        "--coding", choices=sorted(CODINGS), help="whose class numbers the folders are called by"
    )
    parser.add_argument(
        "--subjects",
        metavar="RULE",
        help="where it stands who is in a picture: folder:N, pattern:REGEX of the file name, or"
        " column:NAME",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at what would be passed over in the data"
    )
    if splits:
        parser.add_argument(
            "--validation-share",
            type=float,
            default=VALIDATION_SHARE,
            metavar="S",
            help="part of the training faces that chooses, where the data have no validation faces;"
            " default: %(default)s",
        )


def reading_from(options: argparse.Namespace) -> Reading:
    """How the options say that data are read.

    Raises:
        ConfigError: a rule is none.
    """
    return Reading(options.coding, options.subjects, options.strict)


def read_training(options: argparse.Namespace) -> AlignedFaces:
    """The aligned training faces that the options name, shown as they were read.

    Raises:
        ConfigError: the data or the landmark cache are wrong.
    """
    faces = read_faces(options.data, "train", reading_from(options))
    console = Console(stderr=True)
    print_summary("training", faces.summary, console)
    return align_shown(faces, options.landmarks, console)


def align_shown(faces: LabelledFaces, landmarks: Path | None, console: Console) -> AlignedFaces:
    """Aligns faces, and says in which pictures none was found.

    Raises:
        ConfigError: the landmark cache is none.
    """
    cache = open_landmarks(landmarks, faces.pictures)
    show_faceless(faces, cache, console)
    return aligned(faces, cache)


def splits_from(options: argparse.Namespace, console: Console) -> Splits:
    """Training and validation faces as the options say, shown as they were read.

    Raises:
        ConfigError: the data are wrong, or faces would stand on both sides.
    """
    splits = read_splits(
        options.data,
        reading=reading_from(options),
        share=options.validation_share,
        seed=options.seed,
    )
    show_splits(splits, console)
    return splits


def show_faceless(faces: LabelledFaces, cache: LandmarkCache, console: Console) -> None:
    """Says in which pictures no face was found, if any."""
    if names := summary_of(faces, cache).faceless:
        console.print(taken_whole(names), markup=False, highlight=False, soft_wrap=True)


def show_splits(splits: Splits, console: Console) -> None:
    """Shows what was read, and where the validation faces come from."""
    print_summary("training", splits.training.summary, console)
    print_summary("validation", splits.validation.summary, console)
    console.print(f"validation: {splits.how}", markup=False, highlight=False, soft_wrap=True)


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


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether a network is to work in bfloat16; `auto`: where the hardware multiplies it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # Without the instructions bf16 is emulated, at a quarter of float32's speed.
    return bool(torch.cpu.get_capabilities().get("avx512_bf16"))


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
