"""Optimises the codes of training faces once, for an encoder to learn: `python -m
streamfer.training.codes`.

It takes long, so it writes shard by shard, and goes on where it was stopped. The faces come in an
order of chance: whatever is there can be learned from.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from streamfer.errors import ConfigError
from streamfer.evaluation.inverted import LatentModels, load_latent_models
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.inversion.inversion import Inverter
from streamfer.models.shipped import SHIPPED, weights_sha256
from streamfer.models.stylegan2 import from_uint8
from streamfer.training.latent.optimised_faces import CodeShards, OptimisedFaces
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    pick_device,
    read_training,
    run_command,
    training_parser,
)
from streamfer.types import UInt8Array

_NETWORKS = ("generator", "encoder", "classifier")


@dataclass(frozen=True, slots=True)
class CodesConfig:
    """What is optimised, and how long."""

    faces: int = 4096
    """How many, drawn by `seed`; 0 for all."""
    steps: int = 100
    """Of each optimisation, at most."""
    batch_size: int = 32
    """Faces of a shard, optimised together."""
    max_seconds: float = 1e9
    """It stops, ready to be gone on with, after this long and one shard at least."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.steps < 1 or self.faces < 0:
            raise ConfigError("--batch-size and --steps must be at least 1, --faces at least 0")


def optimise_codes(
    models: LatentModels,
    crops: UInt8Array,
    config: CodesConfig,
    shards: CodeShards,
    clock: Callable[[], float] = time.monotonic,
    advance: Callable[[int], None] = lambda count: None,
) -> int:
    """Optimises what is not there yet.

    Args:
        models: the networks.
        crops: (n, R, R) uint8 aligned faces.
        config: how many and how long.
        shards: gets the codes.
        clock: seconds, monotonic.
        advance: told of every shard that is there, by its number of faces.

    Returns:
        How many faces have codes.
    """
    began, done, made = clock(), 0, 0
    order = np.random.default_rng(config.seed).permutation(len(crops))
    chosen = order[: config.faces or None]
    inverter = Inverter(models.generator, models.lens, InversionConfig(config.steps), clock)
    for number, start in enumerate(range(0, len(chosen), config.batch_size)):
        rows = chosen[start : start + config.batch_size]
        if not shards.has(number):
            if made and clock() - began >= config.max_seconds:
                break
            faces = torch.from_numpy(crops[rows])
            with torch.no_grad():
                first = models.encoder(from_uint8(faces.to(models.device)))
            shards.write(number, OptimisedFaces(faces, inverter.invert(faces, first).latent))
            made += 1
        done += len(rows)
        advance(len(rows))
    return done


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.codes", "Optimises the codes of training faces.", CodesConfig
    )
    for name in _NETWORKS:
        parser.add_argument(f"--{name}", type=Path, default=getattr(SHIPPED, name))
    return run_command(lambda: _optimise(parser.parse_args(arguments)))


def _optimise(options: argparse.Namespace) -> None:
    config = config_from(options, CodesConfig)
    files = {name: getattr(options, name) for name in _NETWORKS}
    models = load_latent_models(**files, device=pick_device(options.device))
    crops = read_training(options).crops
    shards = CodeShards(
        options.out,
        {
            **{name: weights_sha256(path) for name, path in files.items()},
            "faces": hashlib.sha256(crops.tobytes()).hexdigest(),
            "steps": config.steps,
            "batch size": config.batch_size,
            "seed": config.seed,
        },
    )
    total = min(config.faces or len(crops), len(crops))
    with ProgressLine(total, "codes") as line:
        done = optimise_codes(models, crops, config, shards, advance=line.advance)
    print(f"{options.out}: codes of {done} faces")


if __name__ == "__main__":
    sys.exit(main())
