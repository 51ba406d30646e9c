"""The command line of the classifier's training, made from its dataclasses, and its presets."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, replace
from pathlib import Path
from typing import Any

from streamfer.errors import ConfigError
from streamfer.training.reading import CODINGS
from streamfer.training.vgg.classifier_run import ClassifierConfig, TrainingFiles

_GPU = ClassifierConfig(
    width=1.0,
    epochs=60,
    batch_size=256,
    learning_rate=0.1,
    sizes=(48,),
    storage="int8",
    device="cuda",
    workers=14,
)
"""For one data-centre GPU and 16 CPU cores."""

PRESETS: dict[str, ClassifierConfig] = {
    "quarter": ClassifierConfig(width=0.25),
    "half": ClassifierConfig(),
    "wide": replace(_GPU, width=0.7),
    "full": _GPU,
}
"""`wide` is the widest network that fits, as int8, into what is shipped."""

_CHOICES = {
    "optimizer": ("sgd", "adamw"),
    "loss": ("ce", "mse"),
    "choose_by": ("accuracy", "recall"),
    "storage": ("float16", "int8"),
    "precision": ("auto", "fp32", "bf16"),
    "coding": tuple(CODINGS),
}
_HELP = {
    "width": "multiplies VGG19's channel counts",
    "epochs": "passes over the training faces",
    "max_seconds": "ends the run with the epoch in which it is over, the schedule in step; 0: none",
    "learning_rate": "peak of the schedule",
    "warmup": "epochs of warm-up",
    "cooldown": "fraction of the run over which the learning rate falls to zero",
    "label_smoothing": "part of both targets that goes to what the teachers say, or else of the"
    " FER2013 target to what the FER+ votes make likely",
    "augment": "strength of the augmentation, 0 (mirrored faces only) to 1",
    "sketches": "chance that a face is shown as a pencil drawing, times AUGMENT",
    "mixup": "lays faces over each other in shares from Beta(MIXUP, MIXUP); 0: does not",
    "logit_adjustment": "for rare classes: the loss adds so many times the logarithm of a class's"
    " share to its logit",
    "margin": "for rare classes: the loss lowers the rarest class's logit by this, others by less",
    "sampling": "for rare classes: 0 shows every face once an epoch, 1 every class as often",
    "choose_by": "what chooses the epoch: accuracy, or recall, its mean over the classes",
    "frozen_stages": "first stages, of five, that stay as in the initial weights: faster steps",
    "sizes": "sides in pixels of equal parts of the run, such as 32,40,48",
    "storage": "of the weights: int8 for networks wider than half",
    "precision": "auto: bf16 where the hardware multiplies it",
    "workers": "processes that augment",
    "threads": "torch's CPU threads; 0: its default",
    "data": "training faces: .parquet, .csv, folder of .parquet, or image tree",
    "out": "folder of the run",
    "validation": "faces that choose the epoch (default: the data's own validation split, or a part"
    " of its training faces)",
    "validation_share": "part of the training faces that chooses, where the data have no validation"
    " faces",
    "coding": "whose class numbers the folders are called by",
    "subjects": "where it stands who is in a picture: folder:N, pattern:REGEX of the file name, or"
    " column:NAME",
    "strict": "stop at what would be passed over in the data",
    "seed": "of everything random: one seed, one file",
    "landmarks": "NPZ file of the landmark cache, completed where it lacks pictures",
    "initial": "weights to start from, widened where the run is wider",
    "teacher": "weights, one file or more, whose mean answers get the smoothed part of the targets",
    "resume": "go on from OUT/last.pt where it exists",
}


def parse_arguments(
    arguments: Sequence[str] | None = None,
) -> tuple[ClassifierConfig, TrainingFiles, int | None]:
    """Reads the command line; an unknown option ends the program with exit code 2.

    Returns:
        The run, what it reads and writes, and with how many seeds it is repeated, if it is.

    Raises:
        ConfigError: a value is impossible.
    """
    parser = argparse.ArgumentParser(
        prog="python -m streamfer.training.classifier",
        description="Trains the face classifier.",
        epilog="With --backbone NAME: see python -m streamfer.training.backbone --help.",
    )
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), default="half", help="where the other options start"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="train with N seeds, from SEED on, each in a folder"
    )
    for entry in (*fields(TrainingFiles), *fields(ClassifierConfig)):
        _add_option(parser, entry)
    given = vars(parser.parse_args(arguments))
    preset, seeds = PRESETS[given.pop("preset")], given.pop("seeds")
    if seeds is not None and seeds < 1:
        raise ConfigError(f"--seeds: at least 1, got {seeds}")
    names = {entry.name for entry in fields(TrainingFiles)}
    given["teacher"] = tuple(given["teacher"])
    files = TrainingFiles(**{k: v for k, v in given.items() if k in names and v is not None})
    changes = {k: v for k, v in given.items() if k not in names and v is not None}
    return replace(preset, **changes), files, seeds


def parse_sizes(text: str) -> tuple[int, ...]:
    """`32,40,48` as numbers.

    Raises:
        ConfigError: it is not a list of whole numbers.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"sizes {text!r} are not whole numbers such as 32,40,48") from error


def _add_option(parser: argparse.ArgumentParser, entry: Field[Any]) -> None:
    flag = "--" + entry.name.replace("_", "-")
    settings: dict[str, Any] = {"help": _HELP.get(entry.name), "dest": entry.name}
    if entry.type == "bool":
        parser.add_argument(flag, action="store_true", **settings)
        return
    if entry.type == "tuple[Path, ...]":
        settings |= {"nargs": "+", "type": Path, "metavar": "FILE"}
        parser.add_argument(flag, default=(), **settings)
        return
    kinds = {"int": int, "float": float, "Path": Path, "Path | None": Path}
    settings["type"] = kinds.get(str(entry.type), str)
    if entry.name == "sizes":
        settings["type"] = parse_sizes
    parser.add_argument(
        flag,
        choices=_CHOICES.get(entry.name),
        required=entry.default is MISSING,
        default=None,
        **settings,
    )
