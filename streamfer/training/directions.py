"""Learns the directions of expressions and pose: `python -m streamfer.training.directions`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from streamfer.errors import ConfigError, OutputError
from streamfer.labels import LABELS
from streamfer.models.directions import Directions, save_directions
from streamfer.models.inversion.lens import Lens
from streamfer.models.shipped import SHIPPED
from streamfer.models.storage import load_encoder, load_generator
from streamfer.models.stylegan2 import from_uint8
from streamfer.models.vgg import load_face_vgg
from streamfer.training.data_summary import print_summary
from streamfer.training.direction_card import card
from streamfer.training.faces.data import NO_LABEL, LabelledFaces, majority_class
from streamfer.training.faces.landmarks import LandmarkCache, align_pictures, open_landmarks
from streamfer.training.faces.sources import read_faces
from streamfer.training.latent.direction_descent import DrawnDirections, drawn_directions
from streamfer.training.latent.direction_fit import (
    CodedFaces,
    Method,
    circumstances,
    expression_effects,
    fit_directions,
    stability,
)
from streamfer.training.runs.command import (
    ProgressLine,
    pick_device,
    run_command,
    show_faceless,
    use_bf16,
)
from streamfer.training.whole_file import make_folder
from streamfer.types import FloatArray
from streamfer.vision.align import crop_matrix

_BATCH = 64
FILE_NAME = "directions_faces64.safetensors"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = _parser().parse_args(arguments)
    return run_command(lambda: learn(options))


def learn(options: argparse.Namespace) -> None:
    """Reads, encodes, fits, and writes the directions with their card.

    Raises:
        ConfigError: the data are missing or malformed, or an option is wrong.
        EngineError: the encoder is damaged.
        OutputError: the results cannot be written.
    """
    layers = parse_layers(options.layers)
    if options.seeds < 2:
        raise ConfigError(f"--seeds {options.seeds}: stability needs at least 2")
    if options.steps < 1:
        raise ConfigError(f"--steps {options.steps}: at least 1")
    make_folder(options.out)
    device = pick_device(options.device)
    coded = encode_sets(options.data, options.landmarks, options.encoder, device, options.faces)
    method: Method = "matched" if options.method == "drawn" else options.method
    directions = fit_directions(coded, method, layers, options.seed)
    if options.method == "drawn":
        directions = _drawn(directions, coded, options, device)
    effects, _ = expression_effects(coded)
    settled = stability(effects, options.seeds)
    path = options.out / FILE_NAME
    try:
        save_directions(directions, path, {"method": options.method})
        path.with_suffix(".md").write_text(card(path, directions, coded, options, settled), "utf-8")
    except OSError as error:
        raise OutputError(f"{options.out}: cannot write: {error.strerror or error}") from error
    print(f"{path}: {options.method}, {len(coded.codes)} faces")


def _drawn(
    directions: Directions, coded: CodedFaces, options: argparse.Namespace, device: torch.device
) -> Directions:
    if options.layers != "all":
        raise ConfigError("--layers: directions learned from drawings move all layers")
    generator = load_generator(options.generator).to(device)
    lens = Lens(load_face_vgg(options.classifier)).to(device)
    if generator.config.num_ws * generator.config.w_dim != coded.codes[0].size:
        raise ConfigError(f"{options.generator}: does not draw codes of {options.encoder}")
    bf16 = use_bf16("auto", device)
    recipe = DrawnDirections(steps=options.steps, bf16=bf16, seed=options.seed)
    with ProgressLine(len(options.expressions), "expressions") as line:
        return drawn_directions(
            directions,
            coded,
            generator,
            lens,
            recipe,
            options.expressions,
            lambda: line.advance(1),
        )


def parse_layers(text: str) -> tuple[int, int] | None:
    """First and last layer of `2-6`; None of `all`.

    Raises:
        ConfigError: it is neither.
    """
    if text == "all":
        return None
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise ConfigError(f"--layers {text}: expected all, or first and last as in 2-6")
    return int(first), int(last)


def encode_sets(
    sets: Sequence[Path],
    landmarks: Path | None,
    encoder: Path,
    device: torch.device,
    most: int | None = None,
) -> CodedFaces:
    """Codes and circumstances of labelled faces.

    Args:
        sets: what `read_faces` takes.
        landmarks: cache of detected landmarks (NPZ); None detects and forgets.
        encoder: weights.
        device: where it runs.
        most: at most this many faces of each set.
    """
    network, console = load_encoder(encoder).to(device), Console(stderr=True)
    parts: list[CodedFaces] = []
    first = 0
    for path in sets:
        faces = read_faces(path, "train")
        print_summary(path.name, faces.summary, console)
        classes = _classes(faces)
        rows = np.flatnonzero(classes != NO_LABEL)[:most]
        faces, classes = faces.subset(rows), classes[rows]
        cache = open_landmarks(landmarks, faces.pictures)
        show_faceless(faces, cache, console)
        crops = align_pictures(faces.pictures, cache)
        with torch.no_grad():
            batches = torch.split(torch.from_numpy(crops), _BATCH)
            codes = torch.cat([network(from_uint8(batch.to(device))).cpu() for batch in batches])
        groups = _groups(faces, first, len(parts))
        first = max(first, int(groups.max()) + 1)
        around = circumstances(crops, _in_crops(faces, cache))
        parts.append(CodedFaces(codes.numpy(), classes, around, groups))
    return CodedFaces(
        codes=np.concatenate([part.codes for part in parts]),
        classes=np.concatenate([part.classes for part in parts]),
        circumstances=np.concatenate([part.circumstances for part in parts]),
        groups=np.concatenate([part.groups for part in parts]),
    )


def _classes(faces: LabelledFaces) -> Any:
    """What people voted for where there are votes, else the set's own label."""
    return majority_class(faces.votes) if faces.votes.any() else faces.classes


def _groups(faces: LabelledFaces, first: int, number: int) -> Any:
    """Persons from `first` on, or the set's own negative number where they are unknown."""
    if not faces.subjects:
        return np.full(len(faces), -1 - number, np.int64)
    return first + np.unique(faces.subjects, return_inverse=True)[1].astype(np.int64)


def _in_crops(faces: LabelledFaces, cache: LandmarkCache) -> FloatArray:
    """Landmarks in the pixels of the crops, NaN where no face was found."""
    points = np.full((len(faces), 5, 2), np.nan, np.float32)
    for row, picture in enumerate(faces.pictures):
        detection = cache.detection(picture)
        if detection is not None:
            matrix = crop_matrix(detection)
            points[row] = detection.landmarks @ matrix[:, :2].T + matrix[:, 2]
    return points


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.directions",
        description="Learn the directions of expressions and pose in the codes of an encoder.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        help="labelled faces: FER2013 files or folders, image trees, or Parquet with the columns"
        " image, label and person",
    )
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    parser.add_argument("--encoder", type=Path, default=SHIPPED.encoder, help="its weights")
    for name, what in (("generator", "draws"), ("classifier", "reads what is drawn")):
        default = getattr(SHIPPED, name)
        parser.add_argument(f"--{name}", type=Path, default=default, help=f"{what} (drawn)")
    parser.add_argument(
        "--method",
        choices=("drawn", "matched", "ica", "means"),
        default="matched",
        help="default: %(default)s",
    )
    parser.add_argument(
        "--expressions",
        nargs="+",
        choices=LABELS,
        default=list(LABELS),
        metavar="NAME",
        help="learned from drawings, the others being matched (drawn); default: all",
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=DrawnDirections().steps,
        help="of learning from drawings (drawn); default: %(default)s",
    )
    parser.add_argument("--layers", default="all", help="all, or first and last, as 2-6")
    parser.add_argument("--faces", type=int, help="at most this many of each set")
    parser.add_argument("--seed", type=int, default=0, help="of the independent components")
    parser.add_argument("--seeds", type=int, default=20, help="over which stability is measured")
    return parser


if __name__ == "__main__":
    sys.exit(main())
