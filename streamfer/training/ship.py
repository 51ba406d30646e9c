"""Puts trained latent networks where the program looks for them, each beside its card:
`python -m streamfer.training.ship`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from streamfer.errors import ConfigError, OutputError
from streamfer.evaluation.inverted import load_latent_models
from streamfer.models.fused import load_fused
from streamfer.models.shipped import SHIPPED, WeightFiles
from streamfer.training.runs.command import run_command
from streamfer.training.runs.latent_cards import (
    LatentRun,
    encoder_card,
    fused_heads_card,
    generator_card,
    read_json,
    trained_recipe,
)
from streamfer.training.vgg.card import commit_of_checkout


def ship(
    run: LatentRun,
    networks: tuple[Path, Path],
    fused: Path,
    weights: WeightFiles,
    plain: bool = False,
) -> tuple[Path, ...]:
    """Copies generator, encoder and heads beside the classifier and writes their cards.

    Args:
        run: how generator and encoder were trained, and what was measured of them.
        networks: files of generator and encoder.
        fused: folder of the training of the heads.
        plain: whether the heads that don't read the latent ship, where they are the better ones.
        weights: where to; holds the classifier that all of them were trained with.

    Returns:
        The cards.

    Raises:
        ConfigError: a file of a run is missing or malformed.
        EngineError: the networks are damaged or do not fit each other.
        OutputError: a file cannot be written.
    """
    files = {
        weights.generator: networks[0],
        weights.encoder: networks[1],
        weights.fused_heads: fused / f"{'plain' if plain else 'fused'}_heads.safetensors",
    }
    generator, encoder, heads = files.values()
    load_latent_models(generator, encoder, weights.classifier, torch.device("cpu"))
    load_fused(weights.classifier, encoder, heads)
    texts = {
        weights.generator: generator_card(generator, run),
        weights.encoder: encoder_card(encoder, run),
        weights.fused_heads: fused_heads_card(heads, run, fused),
    }
    try:
        for target, source in files.items():
            _copy(source, target)
            target.with_suffix(".md").write_text(texts[target], "utf-8")
    except OSError as error:
        raise OutputError(f"{weights.folder}: cannot write: {error.strerror}") from error
    return tuple(path.with_suffix(".md") for path in files)


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all, readable by everybody."""
    if target.exists() and source.samefile(target):
        return
    part = target.with_suffix(".part")
    shutil.copyfile(source, part)
    part.chmod(0o644)
    os.replace(part, target)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.ship",
        description="Ships trained latent networks, each with a card.",
    )
    parser.add_argument(
        "--joint", type=Path, required=True, help="folder of the autoencoder's training"
    )
    parser.add_argument("--fused", type=Path, required=True, help="folder of the heads' training")
    parser.add_argument(
        "--evaluation", type=Path, required=True, help="JSON of streamfer.evaluation.latent"
    )
    parser.add_argument(
        "--weights", type=Path, default=SHIPPED.folder, help="folder; default: the shipped weights"
    )
    parser.add_argument(
        "--plain-heads", action="store_true", help="ship the heads that don't read the latent"
    )
    parser.add_argument("--commit", help="of the code that trained; default: this checkout's")
    parser.add_argument(
        "--note", default="", help="a sentence for the recipe, such as why the run ended"
    )
    return run_command(lambda: _ship(parser.parse_args(arguments)))


def _ship(options: argparse.Namespace) -> None:
    for folder in (options.joint, options.fused, options.weights):
        if not folder.is_dir():
            raise ConfigError(f"{folder}: no such folder")
    commit = options.commit or commit_of_checkout()
    recipe = trained_recipe(options.joint, commit, options.note)
    run = LatentRun(recipe, recipe, read_json(options.evaluation), commit)
    joint = (options.joint / "generator.safetensors", options.joint / "encoder.safetensors")
    weights = WeightFiles(options.weights)
    for card in ship(run, joint, options.fused, weights, options.plain_heads):
        print(card)


if __name__ == "__main__":
    sys.exit(main())
