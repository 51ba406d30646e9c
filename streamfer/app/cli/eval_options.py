"""`streamfer eval classifier` and `compare` as the command line sees them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from streamfer.app.cli.options import with_options
from streamfer.app.config_fields import REQUIRED, Precision, check_ranges, option
from streamfer.errors import ConfigError
from streamfer.labels import LabelSet
from streamfer.models.shipped import SHIPPED
from streamfer.training.reading import Coding, Reading

_DATA, _KFOLD, _RESULTS = "Data", "With --protocol kfold", "Results"


@dataclass(frozen=True, slots=True)
class EvalOptions:
    """What `eval classifier` is asked for."""

    data: Path = option(
        REQUIRED, "Parquet or CSV file, folder of Parquet files, or image tree.", group=_DATA
    )
    labels: LabelSet | None = option(
        None, "The head, and the truth. Left out: ferplus, if the weights have it."
    )
    style: Literal["photo", "sketch"] = option("photo", "As it is, or drawn in pencil.")
    tta: bool = option(False, "Average ten views of each face.")
    weights: Path = option(
        SHIPPED.classifier, "Instead of the shipped weights.", show_default=False
    )
    precision: Precision | None = option(
        None, "Let the served engine answer in this precision, instead of float32."
    )
    protocol: Literal["holdout", "kfold"] = option(
        "holdout", "kfold: fine-tune and test on every fold."
    )
    split: Literal["train", "validation", "test"] | None = option(
        None,
        "Where the data has splits; validation is FER2013's PublicTest. Left out: that, or test"
        " where there is none.",
        group=_DATA,
    )
    coding: Coding | None = option(
        None, "Whose class numbers the folders are called by.", group=_DATA
    )
    subjects: str | None = option(
        None,
        "Who is in a picture: folder:N, pattern:REGEX of the file name, or column:NAME.",
        group=_DATA,
        metavar="RULE",
    )
    strict: bool = option(False, "Stop at what would be passed over in the data.", group=_DATA)
    training: Path | None = option(
        None, "Training set whose near-duplicates are left out.", group=_DATA
    )
    landmarks: Path | None = option(None, "Landmark cache (NPZ) to use and complete.", group=_DATA)
    folds: int = option(10, "How many.", group=_KFOLD, low=2)
    by: Literal["image", "subject"] | None = option(
        None, "What is never on both sides. Left out: both in turn.", group=_KFOLD
    )
    epochs: int = option(8, "Of each fold's training.", group=_KFOLD)
    from_scratch: bool = option(False, "Start from random weights.", group=_KFOLD)
    frozen_stages: int = option(
        0, "First stages, of five, that stay as they are: faster.", group=_KFOLD
    )
    checkpoints: Path | None = option(
        None, "Keep finished folds there, and go on from those.", group=_KFOLD
    )
    seed: int = option(0, "Of folds and training.", group=_KFOLD)
    json: Path | None = option(None, "Write the figures as JSON.", group=_RESULTS)
    predictions: Path | None = option(None, "Write index, probs and label as NPZ.", group=_RESULTS)
    confusion: Path | None = option(
        None, "Draw the confusion matrix into this picture.", group=_RESULTS
    )
    table: Path | None = option(None, "Write a table for a paper: .tex or .csv.", group=_RESULTS)

    def __post_init__(self) -> None:
        check_ranges(self)
        kfold = self.protocol == "kfold"
        if self.precision and (kfold or self.weights != SHIPPED.classifier):
            raise ConfigError("--precision is of the shipped network, without --weights or kfold")
        if kfold and (self.training or self.split):
            raise ConfigError("--training and --split are not of kfold, which uses all of the data")

    @property
    def reading(self) -> Reading:
        """How the data are read."""
        return Reading(self.coding, self.subjects, self.strict)


@with_options(EvalOptions)
def eval_classifier_command(options: EvalOptions) -> int:
    """Measure the face classifier on labelled faces."""
    from streamfer.app.cli.eval_classifier import eval_classifier

    return eval_classifier(options)


def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A.npz", help="Predictions of a classifier.")],
    b: Annotated[Path, typer.Argument(metavar="B.npz", help="Of another, for the same faces.")],
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
) -> int:
    """Hold two classifiers' predictions against each other: McNemar's test, paired bootstrap."""
    from streamfer.evaluation.compare import compare_predictions
    from streamfer.evaluation.report import write_json
    from streamfer.media.files.claims import OutputClaims

    if json_file:
        OutputClaims([a, b]).name("--json", json_file)
    found = compare_predictions(a, b, seed)
    low, high = found["confidence_95"] or (None, None)
    span = "no interval" if low is None else f"95 % between {low:+.2%} and {high:+.2%}"
    print(
        f"{found['n']} faces: {a.name} {found['accuracy_a']:.2%}, {b.name}"
        f" {found['accuracy_b']:.2%}, difference {found['difference']:+.2%} ({span}, by"
        f" {found['confidence_95_by']}); only {a.name} right {found['only_a']}, only {b.name}"
        f" {found['only_b']}, McNemar p = {found['p_value']:.3g}"
    )
    if json_file:
        write_json(found, json_file)
    return 0
