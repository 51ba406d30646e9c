"""Trains an expression classifier on a backbone, with or without the latent code:
`streamfer train classifier --backbone NAME`, or `python -m streamfer.training.backbone --help`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import torch
from rich.console import Console

from streamfer.errors import ConfigError, OutputError
from streamfer.labels import LABEL_SETS
from streamfer.models.backbones.backbone import BACKBONES, Stem
from streamfer.models.directions import Directions, load_directions
from streamfer.models.latent_per import LATENTS, save_latent_per
from streamfer.models.shipped import SHIPPED
from streamfer.training.backbones.beginning import beginning_of
from streamfer.training.backbones.card import write_card
from streamfer.training.backbones.exam import accuracy_of, exam_logits
from streamfer.training.backbones.run import BackboneRun, BackboneRunConfig
from streamfer.training.backbones.teaching_faces import TeachingFaces, teaching_faces
from streamfer.training.backbones.views import CodeReader
from streamfer.training.faces.landmarks import LandmarkCache, open_landmarks
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    pick_device,
    run_command,
    splits_from,
    training_parser,
)
from streamfer.training.runs.loop import check_sound
from streamfer.training.runs.run_state import (
    MetricsFile,
    demand_same_beginning,
    load_checkpoint,
    save_checkpoint,
)
from streamfer.training.splits import Splits

_CHOICES = {
    "backbone": BACKBONES,
    "latent": LATENTS,
    "loss": ("ce", "mse"),
    "stem": get_args(Stem),
}
_CHOICE_HELP = {
    "backbone": "the network that describes the face",
    "latent": "indices of the latent code beside it: none, full (all), or those whose scores reach"
    " the median or the mean (paper B, eq. 11)",
    "loss": "cross-entropy, or the paper's squared error",
    "stem": "small: for 48 to 64 px; imagenet: the authors', for 224 px",
}


def weights_name(config: BackboneRunConfig) -> str:
    """What the file of weights is called."""
    return f"{config.backbone}_{config.latent}.safetensors"


def train_backbone(
    config: BackboneRunConfig,
    faces: TeachingFaces,
    reader: CodeReader,
    directions: Directions,
    out: Path,
    *,
    resume: bool = False,
    initial: Path | None = None,
    advance: Callable[[], None] = lambda: None,
    report: Callable[[dict[str, Any]], None] = lambda _row: None,
) -> Path:
    """Trains to the last epoch, whose averaged weights are kept.

    Writes to `out`: `config.json`, `metrics.jsonl`, `last.pt` (to resume from) and the weights
    with their card.

    Args:
        config: the run.
        faces: what it learns from and is scored on.
        reader: of latent codes.
        directions: whose scores say which indices of a code are read.
        out: folder of the run.
        resume: go on from `last.pt` where it exists.
        initial: a published checkpoint of DAN to start from.
        advance: told of every batch.
        report: told the figures of every epoch.

    Returns:
        The path of the weights.

    Raises:
        ConfigError: the settings, the directions or the checkpoint are wrong.
        EngineError: the initial weights are missing or broken.
        OutputError: the folder cannot be written.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    run = BackboneRun(config, faces, reader.network, directions, reader.device, initial)
    checkpoint, began_with = out / "last.pt", beginning_of(run, reader, directions, initial)
    if resume and checkpoint.exists():
        _go_on(run, began_with, checkpoint)
    metrics = _begin_folder(out, run)
    while run.epoch < config.epochs:
        row = _train_and_score(run, faces, advance)
        metrics.append(row)
        save_checkpoint(checkpoint, run.state() | {"began_with": began_with})
        report(row)
    run.calibrate()
    return _save(run, faces, reader, metrics, out, initial)


def _go_on(run: BackboneRun, began_with: dict[str, str], checkpoint: Path) -> None:
    state = load_checkpoint(checkpoint)
    demand_same_beginning(state, began_with, checkpoint)
    run.restore(state, checkpoint)


def _save(
    run: BackboneRun,
    faces: TeachingFaces,
    reader: CodeReader,
    metrics: MetricsFile,
    out: Path,
    initial: Path | None,
) -> Path:
    """Writes the averaged weights and their card; the path of the weights."""
    weights = out / weights_name(run.config)
    notes = {"seed": str(run.config.seed), "style": faces.style, "loss": run.config.loss}
    encoder = reader.network if run.network.reads_codes else None
    # Nobody knows which pictures a published checkpoint learned from.
    hashes = faces.hashes if initial is None else None
    save_latent_per(run.average.model, encoder, weights, notes, hashes)
    write_card(weights, run, metrics.rows)
    return weights


def _train_and_score(
    run: BackboneRun, faces: TeachingFaces, advance: Callable[[], None]
) -> dict[str, Any]:
    """Trains for an epoch; its figures."""
    started = time.monotonic()
    loss = run.train_epoch(advance)
    check_sound([loss], run.average.model)
    logits = exam_logits(run.average.model, faces.validation, run.device)
    accuracy = accuracy_of(logits, faces.validation.classes)
    return {
        "epoch": run.epoch,
        "loss": round(loss, 5),
        "accuracy": None if accuracy is None else round(accuracy, 5),
        "seconds": round(time.monotonic() - started, 1),
    }


def _begin_folder(path: Path, run: BackboneRun) -> MetricsFile:
    """Makes the folder of a run, and opens its metrics at its epoch."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(run.config), indent=2) + "\n"
        (path / "config.json").write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot make the folder: {error.strerror}") from error
    return MetricsFile(path / "metrics.jsonl", keep=run.epoch)


def add_faces_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of which faces a run sees, and how."""
    parser.add_argument(
        "--style",
        choices=("photo", "sketch"),
        default="photo",
        help="as they are, or drawn in pencil (paper B); default: photo",
    )
    parser.add_argument("--labels", choices=LABEL_SETS, help="default: ferplus where votes are")
    parser.add_argument(
        "--augment",
        type=float,
        default=0.5,
        metavar="A",
        help="strength of the augmentation, 0 (mirrored faces only) to 1; default: %(default)s",
    )
    parser.add_argument("--encoder", type=Path, default=SHIPPED.encoder, help="of latent codes")
    parser.add_argument(
        "--directions",
        type=Path,
        default=SHIPPED.directions,
        help="whose scores say which indices of a code are read; default: the shipped ones",
    )
    parser.add_argument(
        "--views-in",
        type=Path,
        metavar="DIR",
        help="keeps the augmented faces and their codes, which several runs may share",
    )


def faces_from(
    options: argparse.Namespace,
    splits: Splits,
    cache: LandmarkCache,
    reader: CodeReader,
    views: Path,
    notify: Callable[[str], None],
) -> TeachingFaces:
    """The faces as the options of `add_faces_options` have them.

    Args:
        options: of the command.
        splits: faces that teach and that are measured on.
        cache: landmarks of all.
        reader: of latent codes.
        views: folder of the views, where the options name none.
        notify: told what takes a while.

    Raises:
        ConfigError: an option is wrong, or no face has such a label.
        OutputError: the folder of the views cannot be made.
    """
    if not 0.0 <= options.augment <= 1.0:
        raise ConfigError(f"--augment {options.augment} is not in [0, 1]")
    return teaching_faces(
        splits,
        options.labels,
        options.style,
        options.augment,
        cache,
        reader,
        options.views_in or views,
        notify,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.backbone",
        "Trains an expression classifier on a backbone.",
        BackboneRunConfig,
        splits=True,
    )
    usual = BackboneRunConfig()
    for name, choices in _CHOICES.items():
        default = getattr(usual, name)
        text = f"{_CHOICE_HELP[name]}; default: {default}"
        parser.add_argument(f"--{name}", choices=choices, default=default, help=text)
    add_faces_options(parser)
    parser.add_argument("--initial", type=Path, help="a published checkpoint of DAN to start from")
    parser.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    chosen = {name: getattr(options, name) for name in _CHOICES}
    device = pick_device(options.device)
    config = config_from(options, BackboneRunConfig, **chosen)
    reader = CodeReader.open(options.encoder, device)
    directions = load_directions(options.directions)
    console = Console(stderr=True)
    splits = splits_from(options, console)
    cache = open_landmarks(options.landmarks, splits.training.pictures + splits.validation.pictures)
    faces = faces_from(
        options,
        splits,
        cache,
        reader,
        options.out / "views",
        lambda line: console.print(line, markup=False, highlight=False),
    )
    steps = config.epochs * max(len(faces.classes) // config.batch_size, 1)
    with ProgressLine(steps, "training") as line:
        weights = train_backbone(
            config,
            faces,
            reader,
            directions,
            options.out,
            resume=options.resume,
            initial=options.initial,
            advance=lambda: line.advance(1),
            report=lambda row: line.report(row["epoch"] * steps / config.epochs, row),
        )
    print(weights)


if __name__ == "__main__":
    sys.exit(main())
