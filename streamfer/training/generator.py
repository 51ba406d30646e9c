"""Trains a StyleGAN2 on aligned faces: `python -m streamfer.training.generator`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from streamfer.errors import ConfigError
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_generator, save_generator
from streamfer.models.stylegan2 import Generator
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, load_face_vgg
from streamfer.training.latent.gan import GeneratorTrainer, GeneratorTraining
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    pick_device,
    read_training,
    run_command,
    training_parser,
)
from streamfer.training.runs.loop import train_until_over
from streamfer.training.runs.run_folder import RunFolder, digests_of
from streamfer.vision.overlay.sheet import write_sheet

_SHEET_SIZE = 64
"""Samples on a sheet."""


def train_generator(
    faces: Tensor,
    config: GeneratorTraining,
    out: Path,
    *,
    lens: Lens | None = None,
    initial: Generator | None = None,
    resume: bool = False,
    made_from: Mapping[str, str] = MappingProxyType({}),
    clock: Callable[[], float] = time.monotonic,
    on_tick: Callable[[dict[str, Any]], None] = lambda metrics: None,
) -> Generator:
    """Trains until all pictures are shown or the time is up.

    Args:
        faces: (M, R, R) uint8 aligned faces on the device that trains.
        config: the recipe.
        out: gets `config.json`, `metrics.jsonl`, `samples.png`, `generator.safetensors` (the
            averaged weights as they ship) and the state to resume from.
        lens: frozen, on that device, for a projected discriminator.
        initial: a generator to start from; None starts from random weights.
        resume: go on from the state in `out`.
        made_from: SHA-256 of the files of lens and initial generator, by option; a resumed run must
            have the same.
        clock: seconds, monotonic.
        on_tick: called with each line of metrics.

    Returns:
        The averaged generator.

    Raises:
        ConfigError: it cannot be resumed with these options.
    """
    began = clock()
    trainer = GeneratorTrainer(faces, config, lens, initial)
    folder = _begin_or_resume(trainer, out, resume, made_from)

    def tick() -> None:
        _tick(trainer, folder, clock() - began, on_tick)

    train_until_over(trainer, config, lambda: clock() - began, lambda _: trainer.step(), tick)
    if trainer.unreported:
        tick()
    notes = {"images": str(trainer.images_seen), "seed": str(config.seed)}
    save_generator(trainer.G_ema, out / "generator.safetensors", notes)
    return trainer.G_ema


def _begin_or_resume(
    trainer: GeneratorTrainer, out: Path, resume: bool, made_from: Mapping[str, str]
) -> RunFolder:
    """The folder of the run; the trainer takes up the state in it where it is resumed."""
    options = asdict(trainer.config)
    folder = RunFolder(out, options, trainer.faces, resume=resume, made_from=made_from)
    if folder.resuming:
        progress = folder.load(trainer.modules(), trainer.optimizers())
        trainer.go_on(progress["images"], progress["steps"], progress["mean_length"])
    return folder


def _tick(
    trainer: GeneratorTrainer,
    folder: RunFolder,
    seconds: float,
    on_tick: Callable[[dict[str, Any]], None],
) -> None:
    metrics = {**trainer.metrics(), "seconds": seconds}
    folder.log(metrics)
    write_sheet(trainer.samples(_SHEET_SIZE, 0.7).numpy(), folder.path / "samples.png")
    progress = {
        "images": trainer.images_seen,
        "steps": trainer.steps,
        "mean_length": trainer.mean_length.item(),
    }
    folder.save(trainer.modules(), trainer.optimizers(), progress)
    on_tick(metrics)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.generator", "Trains a StyleGAN2 on aligned faces.", GeneratorTraining
    )
    parser.add_argument(
        "--classifier",
        type=Path,
        default=SHIPPED_FACE_WEIGHTS,
        help="that --projected looks through; default: the shipped weights",
    )
    parser.add_argument("--initial", type=Path, help="generator.safetensors to start from")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    initial = load_generator(options.initial) if options.initial else None
    shape = {"shape": initial.config} if initial else {}
    config = config_from(options, GeneratorTraining, **shape)
    device = pick_device(options.device)
    if config.cuda_graphs and device.type != "cuda":
        raise ConfigError(f"--cuda-graphs needs a CUDA device, not {device}")
    lens = Lens(load_face_vgg(options.classifier)).to(device) if config.projected else None
    aligned = read_training(options)
    faces = torch.from_numpy(aligned.crops).to(device)
    looks_through = options.classifier if config.projected else None
    made_from = digests_of(classifier=looks_through, initial=options.initial)
    with ProgressLine(config.images, "generator") as line:
        train_generator(
            faces,
            config,
            options.out,
            lens=lens,
            initial=initial,
            resume=options.resume,
            made_from=made_from,
            on_tick=lambda metrics: line.report(metrics["images"], metrics),
        )


if __name__ == "__main__":
    sys.exit(main())
