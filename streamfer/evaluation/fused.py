"""The fused classifier against VGG19 alone: `python -m streamfer.evaluation.fused`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from streamfer.errors import OutputError
from streamfer.evaluation.mcnemar import PairedComparison, comparison_table
from streamfer.labels import LabelSet
from streamfer.models.fused import FusedNetwork, load_fused
from streamfer.models.shipped import SHIPPED
from streamfer.training.data_summary import print_summary
from streamfer.training.faces.data import LabelledFaces
from streamfer.training.faces.landmarks import align_pictures, open_landmarks, summary_of
from streamfer.training.faces.sketch import pencil_sketch
from streamfer.training.faces.sources import held_out_split, read_faces
from streamfer.training.fused_heads import Heads, compare_heads, make_exam
from streamfer.training.runs.command import add_reading, pick_device, reading_from, run_command
from streamfer.types import UInt8Array

Comparison = dict[str, dict[LabelSet, PairedComparison]]
"""By style of picture and label set."""


def compare_fused(
    fused: FusedNetwork,
    plain: FusedNetwork | None,
    faces: LabelledFaces,
    crops: UInt8Array,
    device: torch.device,
) -> dict[str, Comparison]:
    """Holds the fused classifier against heads that see no latent, on the same trunk.

    Args:
        fused: the served network.
        plain: the same with heads that were trained alike, but without the latent.
        faces: labelled, unseen in training.
        crops: (n, 64, 64) uint8, the same faces aligned.
        device: where the networks are.

    Returns:
        `own`: the classifier's own heads, trained together with its trunk, against the fused ones;
        and where given `plain`: those against the fused ones.
    """

    def own(features: Tensor, ws: Tensor) -> tuple[Tensor, Tensor]:
        return fused.network.head_ferplus(features), fused.network.head_fer2013(features)

    rivals: dict[str, Heads] = {"own": own}
    if plain is not None:
        rivals["plain"] = plain.heads
    sketches = np.stack([pencil_sketch(crop) for crop in crops])
    exams = {
        style: make_exam(fused, faces, pictures, device)
        for style, pictures in (("photo", crops), ("sketch", sketches))
    }
    return {
        name: {style: compare_heads(rival, fused.heads, exam) for style, exam in exams.items()}
        for name, rival in rivals.items()
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.evaluation.fused",
        description="Holds the fused classifier against VGG19 alone, on unseen faces.",
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled faces")
    add_reading(parser)
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    for name, shipped in (
        ("classifier", SHIPPED.classifier),
        ("encoder", SHIPPED.encoder),
        ("heads", SHIPPED.fused_heads),
    ):
        weights = "weights to use instead of the shipped ones"
        parser.add_argument(f"--{name}", type=Path, default=shipped, help=weights)
    parser.add_argument("--plain", type=Path, help="plain_heads.safetensors of the same training")
    parser.add_argument("--faces", type=int, default=0, help="validation faces; 0: all")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--json", type=Path, help="write the figures as JSON")
    return run_command(lambda: _compare(parser.parse_args(arguments)))


def _compare(options: argparse.Namespace) -> None:
    device = pick_device(options.device)
    fused, plain = (
        load_fused(options.classifier, options.encoder, heads).to(device) if heads else None
        for heads in (options.heads, options.plain)
    )
    assert fused is not None
    split = held_out_split(options.data)
    faces = read_faces(options.data, split, reading_from(options))
    cache = open_landmarks(options.landmarks, faces.pictures)
    print_summary(split, summary_of(faces, cache), Console(stderr=True))
    if options.faces:
        faces = faces.subset(np.arange(min(options.faces, len(faces))))
    crops = align_pictures(faces.pictures, cache)
    comparison = compare_fused(fused, plain, faces, crops, device)
    for name, styles in comparison.items():
        print(comparison_table(styles, _TITLES[name], "fused"))
    if options.json:
        try:
            options.json.write_text(json.dumps(comparison, indent=1, default=asdict) + "\n")
        except OSError as error:
            raise OutputError(f"{options.json}: cannot write: {error.strerror}") from error


_TITLES = {"own": "VGG19 as shipped", "plain": "VGG19, heads alone"}

if __name__ == "__main__":
    sys.exit(main())
