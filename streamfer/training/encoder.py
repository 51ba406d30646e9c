"""Trains the encoder of a generator: `python -m streamfer.training.encoder`.

It sees real faces, which it must let the frozen generator redraw: pixels, features through a
trained VGG19, and the expression that this network reads. Beside them come generated ones
(`--generated`), whose codes are known (paper A, 3); and it may learn codes that have been optimised
for real faces (`--codes`), which says where in the space of codes the drawings are good.
"""

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
from streamfer.models.encoder import Encoder, EncoderConfig
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder, load_generator, save_encoder
from streamfer.models.stylegan2 import Generator
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, load_face_vgg
from streamfer.training.latent.encoder_trainer import EncoderTrainer, EncoderTraining
from streamfer.training.latent.grown import grown
from streamfer.training.latent.optimised_faces import OptimisedFaces, read_optimised_faces
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

_SHEET_FACES = 32


def train_encoder(
    faces: Tensor,
    generator: Generator,
    lens: Lens,
    config: EncoderTraining,
    out: Path,
    *,
    known: OptimisedFaces | None = None,
    initial: Encoder | None = None,
    resume: bool = False,
    made_from: Mapping[str, str] = MappingProxyType({}),
    clock: Callable[[], float] = time.monotonic,
    on_tick: Callable[[dict[str, Any]], None] = lambda metrics: None,
) -> Encoder:
    """Trains until all faces are shown or the time is up.

    Args:
        faces: (M, R, R) uint8 aligned faces on the device that trains.
        generator: frozen, on that device.
        lens: frozen, on that device.
        config: the recipe.
        out: gets `config.json`, `metrics.jsonl`, `pairs.png` (faces and reconstructions),
            `encoder.safetensors` (the averaged weights) and the state to resume from.
        known: faces with optimised codes to learn, too; None for none.
        initial: an encoder to start from; None starts from random weights.
        resume: go on from the state in `out`.
        made_from: SHA-256 of the files of the networks, by option; a resumed run must have the
            same, and the same codes.
        clock: seconds, monotonic.
        on_tick: called with each line of metrics.

    Returns:
        The averaged encoder.

    Raises:
        ConfigError: it cannot be resumed with these options.
    """
    began = clock()
    trainer = EncoderTrainer(faces, generator, lens, config, known, initial)
    folder = _begin_or_resume(trainer, out, resume, made_from)

    def tick() -> None:
        on_tick(_write(trainer, folder, out, clock() - began))

    train_until_over(trainer, config, lambda: clock() - began, trainer.step, tick)
    if trainer.unreported:
        tick()
    save_encoder(trainer.average, out / "encoder.safetensors", {"images": str(trainer.images_seen)})
    return trainer.average


def _begin_or_resume(
    trainer: EncoderTrainer, out: Path, resume: bool, made_from: Mapping[str, str]
) -> RunFolder:
    """The folder of the run; the trainer takes up the state in it where it is resumed."""
    made_from = {**made_from, "codes": trainer.known.sha256 if trainer.known else "none"}
    options = asdict(trainer.config)
    folder = RunFolder(out, options, trainer.faces, resume=resume, made_from=made_from)
    if folder.resuming:
        trainer.images_seen = folder.load(trainer.modules, trainer.optimizers)["images"]
    return folder


def _write(trainer: EncoderTrainer, folder: RunFolder, out: Path, seconds: float) -> dict[str, Any]:
    """Writes where the run stands after so many seconds; its metrics."""
    metrics = {**trainer.metrics(), "seconds": seconds}
    folder.log(metrics)
    write_sheet(trainer.pairs(_SHEET_FACES).numpy(), out / "pairs.png")
    folder.save(trainer.modules, trainer.optimizers, {"images": trainer.images_seen})
    return metrics


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.encoder", "Trains the encoder of a generator.", EncoderTraining
    )
    parser.add_argument("--generator", type=Path, required=True, help="generator.safetensors")
    parser.add_argument(
        "--classifier", type=Path, default=SHIPPED_FACE_WEIGHTS, help="default: the shipped weights"
    )
    parser.add_argument(
        "--codes", type=Path, help="folder of optimised codes to learn (streamfer.training.codes)"
    )
    parser.add_argument("--initial", type=Path, help="encoder.safetensors to start from")
    parser.add_argument(
        "--grow", action="store_true", help="enlarge --initial to the size of a new encoder first"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    device = pick_device(options.device)
    generator = load_generator(options.generator).to(device)
    lens = Lens(load_face_vgg(options.classifier)).to(device)
    shape = EncoderConfig(num_ws=generator.config.num_ws, w_dim=generator.config.w_dim)
    known = read_optimised_faces(options.codes) if options.codes else None
    initial = load_encoder(options.initial) if options.initial else None
    if options.grow:
        if initial is None:
            raise ConfigError("--grow needs an encoder to enlarge: --initial FILE")
        initial = grown(initial, shape)
    if initial is not None:
        if (initial.config.num_ws, initial.config.w_dim) != (shape.num_ws, shape.w_dim):
            raise ConfigError(f"{options.initial}: its codes are not those of {options.generator}")
        shape = initial.config
    config = config_from(options, EncoderTraining, shape=shape)
    aligned = read_training(options)
    made_from = digests_of(
        generator=options.generator, classifier=options.classifier, initial=options.initial
    )
    with ProgressLine(config.images, "encoder") as line:
        train_encoder(
            torch.from_numpy(aligned.crops).to(device),
            generator,
            lens,
            config,
            options.out,
            known=known,
            initial=initial,
            resume=options.resume,
            made_from=made_from,
            on_tick=lambda metrics: line.report(metrics["images"], metrics),
        )


if __name__ == "__main__":
    sys.exit(main())
