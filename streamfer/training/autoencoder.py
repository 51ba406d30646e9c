"""Trains generator and encoder together: `python -m streamfer.training.autoencoder`.

For machines without a GPU, where a game of millions of pictures is out of reach: encoder and
generator learn as an autoencoder, which gives usable reconstructions soonest. Often a face is drawn
from its common style alone, and the mapping network learns where those styles lie, so that random
styles give faces too; a light discriminator, which joins late, keeps both kinds of picture sharp.

With networks to start from (`--game`, `--encoder`) it is the last step on a GPU, where it lets
generator and encoder, trained one after the other, adapt to each other, and on a CPU, where the
generator of an autoencoder gets sharper against a discriminator.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from streamfer.errors import ConfigError
from streamfer.models.encoder import Encoder
from streamfer.models.inversion.lens import Lens
from streamfer.models.storage import load_encoder, load_generator, save_encoder, save_generator
from streamfer.models.stylegan2 import Generator, GeneratorConfig
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, load_face_vgg
from streamfer.training.latent.autoencoder_trainer import AutoencoderTrainer, AutoencoderTraining
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


def train_autoencoder(
    faces: Tensor,
    lens: Lens,
    config: AutoencoderTraining,
    out: Path,
    *,
    initial: tuple[Path, Path] | None = None,
    resume: bool = False,
    made_from: Mapping[str, str] = MappingProxyType({}),
    clock: Callable[[], float] = time.monotonic,
    on_tick: Callable[[dict[str, Any]], None] = lambda metrics: None,
) -> tuple[Generator, Encoder]:
    """Trains until all faces are shown or the time is up.

    Args:
        faces: (M, R, R) uint8 aligned faces on the device that trains.
        lens: frozen, on that device.
        config: the recipe.
        out: gets `config.json`, `metrics.jsonl`, `pairs.png`, `samples.png`,
            `generator.safetensors` and `encoder.safetensors` (averaged weights), and the state to
            resume from.
        initial: folder of a generator's training and file of an encoder to start from.
        resume: go on from the state in `out`.
        made_from: SHA-256 of the lens's file, by option; a resumed run must have the same.
        clock: seconds, monotonic.
        on_tick: called with each line of metrics.

    Returns:
        The averaged generator and encoder.

    Raises:
        ConfigError: it cannot be resumed with these options.
        EngineError: the networks to start from do not fit.
    """
    began = clock()
    trainer = AutoencoderTrainer(faces, lens, config)
    if initial:
        trainer.start_from(*initial)
    folder = _begin_or_resume(trainer, out, resume, made_from)

    def tick() -> None:
        on_tick(_write(trainer, folder, clock() - began))

    train_until_over(trainer, config, lambda: clock() - began, trainer.step, tick)
    fitted = trainer.mapping_fitted
    if not fitted:
        trainer.fit_mapping()
    if trainer.unreported or not fitted:
        tick()
    return trainer.G_ema, trainer.E_ema


def _begin_or_resume(
    trainer: AutoencoderTrainer, out: Path, resume: bool, made_from: Mapping[str, str]
) -> RunFolder:
    """The folder of the run; the trainer takes up the state in it where it is resumed."""
    options = asdict(trainer.config)
    folder = RunFolder(out, options, trainer.faces, resume=resume, made_from=made_from)
    if folder.resuming:
        progress = folder.load(_modules(trainer), _optimizers(trainer))
        trainer.images_seen, trainer.steps = progress["images"], progress["steps"]
        trainer.mapping_fitted = progress["mapping_fitted"]
    return folder


def _write(trainer: AutoencoderTrainer, folder: RunFolder, seconds: float) -> dict[str, Any]:
    """Writes where the run stands after so many seconds; its metrics."""
    metrics = {**trainer.metrics(), "seconds": seconds}
    folder.log(metrics)
    _write_results(trainer, folder.path)
    _save_state(trainer, folder)
    return metrics


def _save_state(trainer: AutoencoderTrainer, folder: RunFolder) -> None:
    progress = {"images": trainer.images_seen, "steps": trainer.steps}
    progress["mapping_fitted"] = trainer.mapping_fitted
    folder.save(_modules(trainer), _optimizers(trainer), progress)


def _modules(trainer: AutoencoderTrainer) -> dict[str, nn.Module]:
    return {name: getattr(trainer, name) for name in ("G", "E", "D", "G_ema", "E_ema")}


def _optimizers(trainer: AutoencoderTrainer) -> dict[str, Optimizer]:
    return {"autoencoder": trainer.optimizer, "D": trainer.D_optimizer}


def _write_results(trainer: AutoencoderTrainer, out: Path) -> None:
    write_sheet(trainer.pairs(_SHEET_FACES).numpy(), out / "pairs.png")
    write_sheet(trainer.samples(2 * _SHEET_FACES, 0.7).numpy(), out / "samples.png")
    notes = {"images": str(trainer.images_seen), "seed": str(trainer.config.seed)}
    save_generator(trainer.G_ema, out / "generator.safetensors", notes)
    save_encoder(trainer.E_ema, out / "encoder.safetensors", notes)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.autoencoder",
        "Trains generator and encoder together, for machines without a GPU.",
        AutoencoderTraining,
    )
    parser.add_argument(
        "--classifier", type=Path, default=SHIPPED_FACE_WEIGHTS, help="default: the shipped weights"
    )
    parser.add_argument(
        "--game",
        type=Path,
        help="folder of a generator's training to start from, or of an autoencoder's; or the file"
        " of a generator, which brings no discriminator",
    )
    parser.add_argument("--encoder", type=Path, help="encoder.safetensors to start from")
    parser.add_argument("--resume", action="store_true", help="go on from the state in --out")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    if (options.game is None) != (options.encoder is None):
        raise ConfigError("--game and --encoder are given together or not at all")
    if options.freeze_encoder and options.encoder is None:
        raise ConfigError("--freeze-encoder needs the --encoder that is to stay as it is")
    initial = (options.game, options.encoder) if options.game else None
    config = config_from(options, AutoencoderTraining, **_shapes_of(initial))
    device = pick_device(options.device)
    lens = Lens(load_face_vgg(options.classifier)).to(device)
    aligned = read_training(options)
    with ProgressLine(config.images, "autoencoder") as line:
        train_autoencoder(
            torch.from_numpy(aligned.crops).to(device),
            lens,
            config,
            options.out,
            initial=initial,
            resume=options.resume,
            made_from=digests_of(classifier=options.classifier),
            on_tick=lambda metrics: line.report(metrics["images"], metrics),
        )


def _shapes_of(initial: tuple[Path, Path] | None) -> dict[str, Any]:
    """The shapes of the networks to start from, as fields of the recipe."""
    if initial is None:
        return {}
    game, encoder = initial
    if game.is_file():
        return {
            "generator": load_generator(game).config,
            "encoder": load_encoder(encoder).config,
        }
    try:
        recipe = json.loads((game / "config.json").read_text())
        # An autoencoder's training calls the same thing by another name.
        fields = recipe["shape"] if "shape" in recipe else recipe["generator"]
        shape: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()
        }
        return {
            "generator": GeneratorConfig(**shape),
            "discriminator_channels": tuple(recipe["discriminator_channels"]),
            "encoder": load_encoder(encoder).config,
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{game}: not the folder of a generator's training: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
