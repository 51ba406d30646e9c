"""Every network again in a quarter of an hour of a data-centre GPU: `python -m
streamfer.training.gpu`.

A teacher of full width, the classifier that ships taught by it, the generator against a projected
discriminator, optimised codes, the encoder, and what follows (`streamfer.training.all`). Each step
is a process of its own with a limit in time, ends by itself a little earlier, and leaves weights;
one that does not is stopped, and what it left is used. The same command goes on where it ended.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import ConfigError
from streamfer.models.shipped import SHIPPED
from streamfer.training.runs.command import run_command
from streamfer.training.runs.steps import StepError

_TIME_TO_STOP_S = 20.0
"""For a step that is told to stop; then it is killed."""


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A training in a process of its own."""

    module: str
    arguments: tuple[str, ...]
    makes: Path
    """What the steps after it need."""
    usual_s: float
    """After so long it ends by itself; 0 where it takes as long as it takes."""
    limit_s: float
    """After so long it is stopped."""


def plan(options: argparse.Namespace) -> list[TimedStep]:
    """The steps, with 15 minutes in all."""
    return [*_classifiers(options), *_latent(options)]


def _classifiers(options: argparse.Namespace) -> list[TimedStep]:
    teacher, student = (_file(options, name, "face_vgg19") for name in ("teacher", "classifier"))
    common = (*_data(options), *_batch(options), "--workers", str(options.workers))
    common += ("--sizes", "48", "--resume")
    taught = (
        *("--preset=half", "--epochs=60", "--cooldown=0.8", "--learning-rate=0.05"),
        *("--mixup=0.2", "--augment=0.5", "--dropout=0.3", "--label-smoothing=0.5"),
        *("--initial", str(SHIPPED.classifier)),
        *("--teacher", str(teacher), str(SHIPPED.classifier)),
    )
    share = options.share
    return [
        _step("classifier", (*common, "--preset=full"), teacher, 165 * share, 185),
        _step("classifier", (*common, *taught), student, 145 * share, 165),
    ]


def _latent(options: argparse.Namespace) -> list[TimedStep]:
    share = options.share
    drawn, coded = (_file(options, name, name) for name in ("generator", "encoder"))
    codes = options.out / "codes"
    common = (*_data(options), *_batch(options), "--resume", "--images", "100000000")
    common += ("--tick-images", str(max(round(200_000 * share), 1)))
    game = (*common, "--projected", "--initial", str(SHIPPED.generator))
    found = (*_data(options), "--generator", str(drawn))
    found += ("--faces", str(max(round(8192 * share), 8)))
    found += ("--steps", str(max(round(100 * share), 2)))
    learned = (*common, "--generator", str(drawn), "--codes", str(codes))
    learned += ("--initial", str(SHIPPED.encoder))
    after = (*_data(options), "--share", str(max(share / 4, 0.001)))
    after += ("--classifier", str(_file(options, "classifier", "face_vgg19")))
    after += ("--generator", str(drawn.parent), "--encoder", str(coded.parent))
    return [
        _step("generator", game, drawn, 180 * share, 200),
        _step("codes", found, codes, 40 * share, 60),
        _step("encoder", learned, coded, 115 * share, 135),
        _step("all", after, options.out / "all", 0, 155),
    ]


def _file(options: argparse.Namespace, folder: str, name: str) -> Path:
    path: Path = options.out / folder / f"{name}.safetensors"
    return path


def _data(options: argparse.Namespace) -> tuple[str, ...]:
    files = ("--data", str(options.data), "--landmarks", str(options.landmarks))
    return (*files, "--device", options.device)


def _batch(options: argparse.Namespace) -> tuple[str, ...]:
    return ("--batch-size", str(max(round(256 * options.share), 8)))


def _step(
    module: str, arguments: tuple[str, ...], makes: Path, usual_s: float, limit_s: float
) -> TimedStep:
    folder = makes.parent if makes.suffix else makes
    given = (*arguments, "--out", str(folder))
    if usual_s:
        given += ("--max-seconds", f"{usual_s:g}")
    return TimedStep(f"streamfer.training.{module}", given, makes, usual_s, limit_s)


def run_limited(
    command: Sequence[str], limit_s: float, time_to_stop_s: float = _TIME_TO_STOP_S
) -> int | None:
    """Runs a command; returns its exit code, or None where it had to be stopped.

    It is told to stop as by Ctrl-C, and killed where it does not.
    """
    with subprocess.Popen(command) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(time_to_stop_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return None


def take(
    steps: Sequence[TimedStep],
    run: Callable[[Sequence[str], float], int | None] = run_limited,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Takes the steps in order.

    Raises:
        StepError: a step left nothing that the next ones could use.
    """
    for step in steps:
        began = clock()
        code = run([sys.executable, "-m", step.module, *step.arguments], step.limit_s)
        how = "stopped at its limit" if code is None else f"exit code {code}"
        print(f"{step.module}: {how} after {clock() - began:.0f} s", flush=True)
        if code or not step.makes.exists():
            raise StepError(
                f"{step.module} ended ({how}), {step.makes} is not whole; the same command goes on"
                " there",
                code or 1,
            )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.gpu",
        description="Trains every network again in 15 minutes of a GPU.",
    )
    parser.add_argument("--data", type=Path, required=True, help="FER2013 data with FER+ votes")
    parser.add_argument("--landmarks", type=Path, required=True, help="landmark cache (NPZ)")
    parser.add_argument("--out", type=Path, required=True, help="folder for all of it")
    parser.add_argument("--device", default="cuda", help="cpu, cuda or cuda:N")
    parser.add_argument("--workers", type=int, default=14, help="processes that augment")
    parser.add_argument(
        "--share", type=float, default=1.0, help="of the usual length and batches, to try the way"
    )
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    if not 0 < options.share <= 1:
        raise ConfigError(f"--share: expected a number in (0, 1], got {options.share}")
    take(plan(options))


if __name__ == "__main__":
    sys.exit(main())
