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

from streamfer.evaluation.duplicates import Hashes
from streamfer.evaluation.mcnemar import PairedComparison, comparison_table
from streamfer.evaluation.training_hashes import learned_hashes
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
    FeatureBank,
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
from streamfer.training.runs.loop import check_sound

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
    hashes: Hashes | None = None,
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
        out: gets the whole network, to be served, the heads with the latent and without, alone
            (`fused_heads`, `plain_heads`), `config.json`, and what is returned as JSON.
        advance: told how many faces went through the frozen networks.
        hashes: of what trunk and heads have learned from; None where that is not known.

    Returns:
        By style (`photo`, `sketch`) and label set: heads without the latent (a), and with it (b).
    """
    _begin_folder(out, config)
    shape = _heads_shape(network, encoder, config.dropout)
    fused = _new_heads(shape, network, encoder, config.seed)
    frozen = FusedNetwork(network, encoder, fused).to(device).eval().requires_grad_(False)
    held_out, kept = split_held_out(training)
    bank = collect_features(frozen, kept, cache, config, device, advance)
    # The spread must be known before anything is trained on it; untaught encoders have none.
    spread = (bank.ws.float() - encoder.w_avg.to(device)).square().mean().sqrt()
    fused.spread.copy_(spread.clamp_min(1e-6))
    plain = _new_heads(replace(shape, use_latent=False), network, encoder, config.seed).to(device)
    calibration = _calibration(frozen, held_out, cache, device)
    for heads in (plain, fused):
        heads.expressions = in_order((*taught_expressions(training), *network.expressions))
        _teach(heads, bank, calibration, config)
    exams = _exams(frozen, validation, cache, device)
    comparison = {style: compare_heads(plain, fused, exam) for style, exam in exams.items()}
    (out / "comparison.json").write_text(json.dumps(comparison, indent=1, default=asdict) + "\n")
    _save_heads(out, plain, fused, notes := {"seed": str(config.seed)})
    save_fused_network(network, encoder, fused, out / FUSED_NETWORK_FILE, notes, hashes)
    return comparison


def _save_heads(out: Path, plain: FusedHeads, fused: FusedHeads, notes: dict[str, str]) -> None:
    save_fused_heads(plain, out / "plain_heads.safetensors", notes)
    save_fused_heads(fused, out / "fused_heads.safetensors", notes)


def _begin_folder(out: Path, config: FusedTraining) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "config.json").write_text(json.dumps(asdict(config), indent=1) + "\n")


def _teach(
    heads: FusedHeads, bank: FeatureBank, calibration: Exam | None, config: FusedTraining
) -> None:
    heads.trained = bank.heads
    train_heads(bank, heads.requires_grad_(True), config)
    if calibration is not None:
        calibrate(heads, calibration)
    check_sound([], heads)


def _calibration(
    frozen: FusedNetwork, held_out: LabelledFaces, cache: LandmarkCache, device: torch.device
) -> Exam | None:
    """Of the faces that were kept back; None where the set is so small that none were."""
    if not len(held_out):
        return None
    return make_exam(frozen, held_out, align_pictures(held_out.pictures, cache), device)


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
            learned_hashes(training.pictures, options.classifier),
        )
    print(comparison_table(comparison, "VGG19", "fused"))


if __name__ == "__main__":
    sys.exit(main())
