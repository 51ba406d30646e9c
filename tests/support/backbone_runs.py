"""Drawn faces and small latent networks for trainings of seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from streamfer.models.directions import save_directions
from streamfer.models.encoder import Encoder
from streamfer.models.storage import load_encoder, save_encoder
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import LandmarkCache, picture_key
from tests.support.directions import random_directions
from tests.support.labelled_faces import drawn_set, write_parquet
from tests.support.latent import save_latent_networks

TINY = (
    *("--width", "0.03", "--input-size", "32", "--hidden", "16", "--batch-size", "32"),
    *("--epochs", "1", "--warmup", "0.2", "--views", "1", "--threads", "1", "--device", "cpu"),
)


def run_options(folder: Path, training: int = 128, validation: int = 42) -> list[str]:
    """Writes faces and networks; returns the options that name them."""
    sets = {
        "train-0.parquet": drawn_set(training),
        "public_test.parquet": drawn_set(validation, seed=10_000),
    }
    data = folder / "fer"
    data.mkdir()
    for name, faces in sets.items():
        write_parquet(data / name, faces)
    no_landmarks(tuple(sets.values())).save(folder / "landmarks.npz")
    encoder = save_latent_networks(folder)["encoder"]
    save_encoder(_awake(load_encoder(encoder)), encoder, {})
    directions = folder / "directions.safetensors"
    save_directions(random_directions(10, 8), directions, {})
    return [
        *("--data", str(data), "--landmarks", str(folder / "landmarks.npz")),
        *("--encoder", str(encoder), "--directions", str(directions)),
    ]


def _awake(encoder: Encoder) -> Encoder:
    """New encoders give every face the same code."""
    torch.manual_seed(0)
    for layer in (encoder.common, encoder.deltas):
        torch.nn.init.normal_(layer.weight)
    return encoder


def no_landmarks(sets: Sequence[LabelledFaces]) -> LandmarkCache:
    """As where the detector found no face: it is not started."""
    return LandmarkCache({picture_key(p): None for faces in sets for p in faces.pictures})


def metrics(folder: Path) -> str:
    """The figures of a run, but for its times."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return "\n".join(line.split(', "seconds"')[0] for line in lines)
