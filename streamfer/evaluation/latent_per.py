"""The tables of Latent-PER: `streamfer eval latent-per`, or `python -m
streamfer.evaluation.latent_per --help`.

With `--train` it trains what is missing, one run after the other, and writes the tables anew after
each; it may be stopped at any time and started again. Without, it collects what is there.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from streamfer.errors import ConfigError
from streamfer.evaluation.branch_cost import branch_cost
from streamfer.evaluation.latent_exams import make_exams
from streamfer.evaluation.latent_files import draw_confusions
from streamfer.evaluation.latent_markdown import as_markdown
from streamfer.evaluation.latent_runs import Answers, Arm, planned
from streamfer.evaluation.latent_tables import WITH, all_tables
from streamfer.evaluation.latent_training import Tables, collect, train_missing
from streamfer.models.backbones.backbone import BACKBONES, BackboneName
from streamfer.models.directions import load_directions
from streamfer.models.latent_per import LATENTS, Latent, LatentPERConfig
from streamfer.training.backbone import add_faces_options, faces_from
from streamfer.training.backbones.run import BackboneRunConfig, EncoderShape
from streamfer.training.backbones.views import CodeReader
from streamfer.training.faces.landmarks import LandmarkCache, open_landmarks
from streamfer.training.faces.sources import read_faces
from streamfer.training.runs.command import (
    add_numbers,
    add_reading,
    config_from,
    pick_device,
    run_command,
    splits_from,
)
from streamfer.training.whole_file import write_whole
from streamfer.types import UInt8Array

SCHEMA = "streamfer.latent_per_tables/1"
_KEPT_EVERY = 2000
"""Pictures between two savings of the landmarks."""
RUNS = Path("runs/latent-per")
"""Where runs are kept, unless told otherwise."""


def figures_of(tables: Tables, answered: dict[Arm, Answers]) -> dict[str, Any]:
    """Everything that is reported, ready for JSON; what is not trained is null and in `missing`."""
    backbones = tuple(dict.fromkeys(arm.backbone for arm in tables.arms))
    latents = tuple(dict.fromkeys(arm.latent for arm in tables.arms))
    recipe = asdict(tables.recipe)
    for name in ("backbone", "latent", "seed", "threads"):
        del recipe[name]
    return {
        "schema": SCHEMA,
        "style": tables.faces.style,
        "label_set": tables.faces.labels,
        "training_faces": len(tables.faces.classes),
        "trunk": "shared" if tables.shared_trunk else "own",
        "recipe": recipe,
        **all_tables(answered, tables.exams, backbones, latents),
        "planned": len(tables.arms),
        "missing": [arm.folder for arm in tables.arms if arm not in answered],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="streamfer eval latent-per",
        description="Makes the tables of Latent-PER: backbones without and with the latent code.",
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled faces")
    parser.add_argument(
        "--persons",
        type=Path,
        help="faces of other persons, for an exam of their own",
    )
    add_reading(parser, splits=True)
    parser.add_argument("--landmarks", type=Path, help="landmark cache (NPZ), made if missing")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:N or auto")
    add_faces_options(parser)
    add_numbers(parser, BackboneRunConfig, without=("seed",))
    parser.add_argument("--loss", choices=("ce", "mse"), default="ce", help="default: ce")
    _add_arms(parser)
    parser.add_argument("--train", action="store_true", help="train what is missing")
    parser.add_argument(
        "--shared-trunk",
        action="store_true",
        help="train each backbone once, without codes, and on it the two layers of every arm",
    )
    parser.add_argument(
        "--runs", type=Path, default=RUNS, metavar="DIR", help=f"of the runs; default: {RUNS}"
    )
    parser.add_argument("--cost", action="store_true", help="measure Table 5: an idle machine's")
    parser.add_argument("--confusion", type=Path, metavar="DIR", help="draw the matrices there")
    parser.add_argument("--json", type=Path, help="write the tables as JSON")
    return run_command(lambda: _evaluate(parser.parse_args(arguments)))


def _add_arms(parser: argparse.ArgumentParser) -> None:
    """Adds the options of which classifiers there are."""
    parser.add_argument(
        "--backbones",
        type=_names_of(BACKBONES),
        default=("vgg19", "resnet18", "dan", "rul"),
        metavar="NAMES",
        help="with several seeds; default: vgg19,resnet18,dan,rul",
    )
    parser.add_argument(
        "--once",
        type=_names_of(BACKBONES),
        default=(),
        metavar="NAMES",
        help="with one seed, after the others; none by default",
    )
    parser.add_argument(
        "--latents",
        type=_names_of(LATENTS),
        default=("none", "mean", "full", "median"),
        metavar="NAMES",
        help="in the order in which they are trained; default: none,mean,full,median",
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")


def _evaluate(options: argparse.Namespace) -> None:
    if options.seeds < 1:
        raise ConfigError(f"--seeds: at least 1, got {options.seeds}")
    console = Console(stderr=True)
    tables = _tables_from(options, console)
    answered = collect(tables)
    cost = _cost(tables) if options.cost else None

    def keep() -> dict[str, Any]:
        figures = {**figures_of(tables, answered), "table_5": cost}
        if options.json:
            write_whole(options.json, json.dumps(figures, indent=1) + "\n")
        return figures

    def report(arm: Arm, line: str) -> None:
        console.print(f"{arm.folder}: {line}", markup=False, highlight=False, soft_wrap=True)
        if line == "done":
            keep()

    if options.train:
        train_missing(tables, answered, report)
    figures = keep()
    if options.confusion:
        draw_confusions(figures, options.confusion)
    print(as_markdown(figures))


def _tables_from(options: argparse.Namespace, console: Console) -> Tables:
    options.seed = 0  # of a validation split, where the data have none
    recipe = config_from(options, BackboneRunConfig, loss=options.loss)
    reader = CodeReader.open(options.encoder, pick_device(options.device))
    directions = load_directions(options.directions)
    splits = splits_from(options, console)
    persons = read_faces(options.persons, "train") if options.persons else None
    pictures = splits.training.pictures + splits.validation.pictures
    cache = _landmarks(options.landmarks, pictures + (persons.pictures if persons else ()))
    runs = options.runs / options.style

    def notify(line: str) -> None:
        console.print(line, markup=False, highlight=False)

    faces = faces_from(options, splits, cache, reader, options.runs / "views", notify)
    exams = make_exams(
        splits.validation,
        persons,
        faces.labels,
        options.style,
        cache,
        reader,
        options.runs / "exams",
        notify,
    )
    arms = tuple(planned(options.backbones, options.once, options.latents, options.seeds))
    return Tables(arms, recipe, options.shared_trunk, faces, exams, reader, directions, runs)


def _landmarks(path: Path | None, pictures: Sequence[UInt8Array]) -> LandmarkCache:
    """The landmarks of all pictures; a large set takes long, so what is found is kept meanwhile."""
    for stop in range(_KEPT_EVERY, len(pictures), _KEPT_EVERY) if path else ():
        open_landmarks(path, pictures[:stop])
    return open_landmarks(path, pictures)


def _cost(tables: Tables) -> dict[str, Any]:
    codes = tables.reader.network.config

    def shape_of(backbone: BackboneName, latent: bool) -> LatentPERConfig:
        arm: Latent = WITH if latent else "none"
        config = replace(tables.recipe, backbone=backbone, latent=arm)
        return config.network(tables.faces.labels, EncoderShape(codes.num_ws, codes.w_dim))

    backbones = tuple(dict.fromkeys(arm.backbone for arm in tables.arms))
    return branch_cost(shape_of, backbones, tables.reader.network)


def _names_of(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        names = tuple(name for name in text.split(",") if name)
        wrong = [name for name in names if name not in known]
        if wrong:
            raise argparse.ArgumentTypeError(
                f"{wrong[0]!r}: expected some of {','.join(known)}, with commas"
            )
        return names

    return read


if __name__ == "__main__":
    sys.exit(main())
