"""Evaluation of generator, encoder and refinement: `python -m streamfer.evaluation.latent`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch import Tensor

from streamfer.errors import OutputError
from streamfer.evaluation.frechet import frechet_distance
from streamfer.evaluation.inverted import (
    LatentModels,
    invert_faces,
    load_latent_models,
    summarise,
)
from streamfer.evaluation.mcnemar import PairedComparison, comparison_table
from streamfer.evaluation.refined_answers import compare_refined_answers
from streamfer.labels import LabelSet
from streamfer.models.fused import FusedNetwork, load_fused
from streamfer.models.inversion.descent import InversionConfig
from streamfer.models.shipped import SHIPPED
from streamfer.models.stylegan2 import to_uint8
from streamfer.training.faces.aligned import AlignedFaces
from streamfer.training.runs.command import (
    ProgressLine,
    add_reading,
    align_shown,
    pick_device,
    run_command,
    splits_from,
)
from streamfer.types import FloatArray, UInt8Array
from streamfer.vision.overlay.sheet import write_sheet

_BATCH = 256
_SHEET_SAMPLES = 64
_SHEET_PSI = 0.7


@dataclass(frozen=True, slots=True)
class LatentEvaluation:
    """What to evaluate, and on what."""

    faces: int = 256
    """Faces of the validation split that are inverted."""
    samples: int = 5000
    """Generated pictures for the Fréchet distance."""
    steps: int = 100
    """Steps of the refinement."""
    seed: int = 0


def evaluate_latent(
    models: LatentModels,
    training: UInt8Array,
    validation: AlignedFaces,
    config: LatentEvaluation,
    fused: FusedNetwork | None = None,
    on_faces: Callable[[int], None] = lambda count: None,
) -> dict[str, Any]:
    """Inverts unseen faces, and holds generated ones against real ones.

    Args:
        models: the networks.
        training: (n, R, R) uint8 aligned faces that the generator was trained on.
        validation: faces that it was not.
        config: how many.
        fused: the fused classifier, to say what refined codes do to its answers.
        on_faces: told how many faces were inverted, batch by batch.

    Returns:
        `faces` (one entry per face, see `InvertedFace.numbers`), `means` (see `summarise`),
        `frechet`: distances to the validation faces, of `samples` and of the `training` faces; and
        with `fused` `answers` (see `compare_refined_answers`).
    """
    rng = np.random.default_rng(config.seed)
    rows = rng.permutation(len(validation.crops))[: config.faces]
    inverted = invert_faces(
        models,
        validation.crops[rows],
        [validation.names[row] for row in rows],
        InversionConfig(steps=config.steps),
        on_batch=on_faces,
    )
    real = vgg_features(models, validation.crops)
    samples = draw_samples(models, config.samples, 1.0, config.seed)
    result: dict[str, Any] = {
        "faces": [face.numbers() for face in inverted],
        "means": summarise(inverted),
        "frechet": {
            "samples": frechet_distance(vgg_features(models, samples), real),
            "training": frechet_distance(vgg_features(models, training), real),
        },
    }
    if fused is not None:
        truth: dict[LabelSet, NDArray[np.int64]] = {
            "ferplus": validation.ferplus[rows],
            "fer2013": validation.fer2013[rows],
        }
        result["answers"] = compare_refined_answers(fused, inverted, truth)
    return result


@torch.no_grad()
def draw_samples(models: LatentModels, count: int, truncation_psi: float, seed: int) -> UInt8Array:
    """(count, R, R) uint8 pictures of random codes."""
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(count, models.generator.config.z_dim, generator=random)
    parts: list[Tensor] = [
        to_uint8(models.generator(z[i : i + _BATCH].to(models.device), truncation_psi)[:, 0]).cpu()
        for i in range(0, count, _BATCH)
    ]
    return torch.cat(parts).numpy()


@torch.no_grad()
def vgg_features(models: LatentModels, crops: UInt8Array) -> FloatArray:
    """(n, C) float32: what the face network's heads read."""
    parts = [
        models.network.features(torch.from_numpy(crops[i : i + _BATCH]).to(models.device)).cpu()
        for i in range(0, len(crops), _BATCH)
    ]
    return torch.cat(parts).numpy()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.evaluation.latent",
        description="Inverts unseen faces, and holds generated faces against real ones.",
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled faces")
    add_reading(parser, splits=True)
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    for name, shipped in (
        ("generator", SHIPPED.generator),
        ("encoder", SHIPPED.encoder),
        ("classifier", SHIPPED.classifier),
    ):
        weights = "weights to use instead of the shipped ones"
        parser.add_argument(f"--{name}", type=Path, default=shipped, help=weights)
    parser.add_argument("--heads", type=Path, help="fused_heads.safetensors, to compare answers")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--faces", type=int, default=256, help="faces to invert")
    parser.add_argument("--samples", type=int, default=5000, help="pictures to generate")
    parser.add_argument("--steps", type=int, default=100, help="steps of the refinement")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write everything as JSON")
    parser.add_argument("--sheet", type=Path, help="write 64 samples as PNG")
    return run_command(lambda: _evaluate(parser.parse_args(arguments)))


def _evaluate(options: argparse.Namespace) -> None:
    device = pick_device(options.device)
    models = load_latent_models(options.generator, options.encoder, options.classifier, device)
    config = LatentEvaluation(options.faces, options.samples, options.steps, options.seed)
    if options.sheet:
        samples = draw_samples(models, _SHEET_SAMPLES, _SHEET_PSI, config.seed)
        write_sheet(samples, options.sheet)
    console = Console(stderr=True)
    splits = splits_from(options, console)
    training = align_shown(splits.training, options.landmarks, console)
    validation = align_shown(splits.validation, options.landmarks, console)
    fused = None
    if options.heads:
        fused = load_fused(options.classifier, options.encoder, options.heads).to(device)
    with ProgressLine(config.faces, "faces") as line:
        result = evaluate_latent(models, training.crops, validation, config, fused, line.advance)
        line.report(config.faces, result["means"])
        line.report(config.faces, {f"frechet_{k}": v for k, v in result["frechet"].items()})
    if answers := result.get("answers"):
        compared = {name: PairedComparison(**figures) for name, figures in answers.items()}
        print(comparison_table({"photo": compared}, "encoded", "refined"))
    if options.json:
        try:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
        except OSError as error:
            raise OutputError(f"{options.json}: cannot write: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
