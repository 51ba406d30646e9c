"""Trains the heads of the fused classifier: `python -m streamfer.training.fused`.

Trunk and encoder are frozen, so augmented faces pass through them once; on the features that come
out, heads with and without the latent branch are trained alike, starting as the face network's own,
and both are held against the same unseen faces, as photographs and as sketches.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from streamfer.evaluation.duplicates import hash_pictures
from streamfer.evaluation.mcnemar import PairedComparison, comparison_table
from streamfer.labels import LabelSet, in_order
from streamfer.models.encoder import Encoder
from streamfer.models.fused import FusedHeads, FusedHeadsConfig, FusedNetwork, save_fused_heads
from streamfer.models.fused_file import save_fused_network
from streamfer.models.storage import load_encoder
from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS, FaceVGG, load_face_vgg
from streamfer.training.faces.aligned import split_held_out
from streamfer.training.faces.data import LabelledFaces, taught_expressions
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, open_landmarks
from streamfer.training.faces.sketch import pencil_sketch
from streamfer.training.fused_heads import (
    Exam,
    FusedTraining,
    calibrate,
    collect_features,
    compare_heads,
    make_exam,
    train_heads,
)
from streamfer.training.runs.command import (
    ProgressLine,
    config_from,
    pick_device,
    run_command,
    show_faceless,
    splits_from,
    training_parser,
)

FUSED_NETWORK_FILE = "fused_vgg19.safetensors"
"""The whole network, in the folder of a run."""


def train_fused(
    network: FaceVGG,
    encoder: Encoder,
    training: LabelledFaces,
    validation: LabelledFaces,
    cache: LandmarkCache,
    config: FusedTraining,
    device: torch.device,
    out: Path,
    advance: Callable[[int], None] = lambda count: None,
) -> dict[str, dict[LabelSet, PairedComparison]]:
    """Trains heads with and without the latent, compares them, and keeps those with.

    Args:
        network: the face network whose trunk is used; frozen.
        encoder: frozen.
        training: faces to learn from.
        validation: faces to compare on.
        cache: landmarks of both.
        config: the recipe.
        device: where the networks run.
        out: gets `fused_vgg19.safetensors` (the whole network, to be served),
            `fused_heads.safetensors` (its heads alone), `plain_heads.safetensors` (those without
            the latent, to compare with), `config.json` and `comparison.json`.
        advance: told how many faces went through the frozen networks.

    Returns:
        What `comparison.json` holds: per style (`photo`, `sketch`) and label set the heads without
        the latent (a) against those with it (b).
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1) + "\n")
    shape = _heads_shape(network, encoder, config.dropout)
    fused = _new_heads(shape, network, encoder, config.seed)
    frozen = FusedNetwork(network, encoder, fused).to(device).eval().requires_grad_(False)
    held_out, kept = split_held_out(training)
    bank = collect_features(frozen, kept, cache, config, device, advance)
    # The spread must be known before anything is trained on it.
    fused.spread.copy_((bank.ws.float() - encoder.w_avg.to(device)).square().mean().sqrt())
    expressions = in_order((*taught_expressions(training), *network.expressions))
    plain = _new_heads(replace(shape, use_latent=False), network, encoder, config.seed).to(device)
    exam = None
    if len(held_out):
        exam = make_exam(frozen, held_out, align_pictures(held_out.pictures, cache), device)
    for heads in (plain, fused):
        heads.trained, heads.expressions = bank.heads, expressions
        heads.requires_grad_(True)
        train_heads(bank, heads, config)
        if exam is not None:
            calibrate(heads, exam)
    exams = _exams(frozen, validation, cache, device)
    comparison = {style: compare_heads(plain, fused, exam) for style, exam in exams.items()}
    (out / "comparison.json").write_text(json.dumps(comparison, indent=1, default=asdict) + "\n")
    notes = {"seed": str(config.seed)}
    for name, heads in (("fused", fused), ("plain", plain)):
        save_fused_heads(heads, out / f"{name}_heads.safetensors", notes)
    hashes = hash_pictures(training.pictures)
    save_fused_network(network, encoder, fused, out / FUSED_NETWORK_FILE, notes, hashes)
    return comparison


def _heads_shape(network: FaceVGG, encoder: Encoder, dropout: float) -> FusedHeadsConfig:
    return FusedHeadsConfig(
        num_features=network.num_features,
        num_ws=encoder.config.num_ws,
        w_dim=encoder.config.w_dim,
        dropout=dropout,
    )


def _new_heads(
    shape: FusedHeadsConfig, network: FaceVGG, encoder: Encoder, seed: int
) -> FusedHeads:
    """Heads that answer as the network's own, whatever the latent: training goes on from there."""
    torch.manual_seed(seed)
    heads = FusedHeads(shape)
    heads.w_avg.copy_(encoder.w_avg)
    with torch.no_grad():
        for name in ("head_ferplus", "head_fer2013"):
            head, own = getattr(heads, name), getattr(network, name)
            head.weight.zero_()
            head.weight[:, : network.num_features] = own.weight
            head.bias.copy_(own.bias)
    return heads


def _exams(
    network: FusedNetwork, faces: LabelledFaces, cache: LandmarkCache, device: torch.device
) -> dict[str, Exam]:
    """The same faces as photographs and as sketches."""
    photos = align_pictures(faces.pictures, cache)
    sketches = np.stack([pencil_sketch(photo) for photo in photos])
    styles = {"photo": photos, "sketch": sketches}
    return {style: make_exam(network, faces, crops, device) for style, crops in styles.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = training_parser(
        "streamfer.training.fused",
        "Trains the heads of the fused classifier.",
        FusedTraining,
        splits=True,
    )
    parser.add_argument(
        "--classifier", type=Path, default=SHIPPED_FACE_WEIGHTS, help="default: the shipped weights"
    )
    parser.add_argument("--encoder", type=Path, required=True, help="encoder.safetensors")
    return run_command(lambda: _train(parser.parse_args(arguments)))


def _train(options: argparse.Namespace) -> None:
    config = config_from(options, FusedTraining)
    device = pick_device(options.device)
    network, encoder = load_face_vgg(options.classifier), load_encoder(options.encoder)
    console = Console(stderr=True)
    splits = splits_from(options, console)
    training, validation = splits.training, splits.validation
    cache = open_landmarks(options.landmarks, training.pictures + validation.pictures)
    for faces in (training, validation):
        show_faceless(faces, cache, console)
    total = config.views * len(training)
    with ProgressLine(total, "faces") as line:
        comparison = train_fused(
            network,
            encoder,
            training,
            validation,
            cache,
            config,
            device,
            options.out,
            line.advance,
        )
    print(comparison_table(comparison, "VGG19", "fused"))


if __name__ == "__main__":
    sys.exit(main())
