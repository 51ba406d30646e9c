"""`streamfer train classifier` and `streamfer eval classifier`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streamfer.app.config_fields import Precision
from streamfer.errors import ConfigError
from streamfer.labels import LabelSet
from streamfer.training.reading import Coding, Reading

if TYPE_CHECKING:
    from rich.console import Console

    from streamfer.engine import Engine
    from streamfer.evaluation.classifier import Evaluation

train_app = typer.Typer(help="Train the networks.", no_args_is_help=True)
eval_app = typer.Typer(help="Measure the networks.", no_args_is_help=True)


@train_app.command(
    "classifier",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def train_classifier_command(context: typer.Context) -> int:
    """Train the face classifier; --help lists the options, --backbone NAME --help those of others.

    With --backbone the classifier has another trunk, and reads a latent code beside it.
    """
    # The options are those of `python -m` and this module, which needs no Typer.
    if any(argument.split("=")[0] == "--backbone" for argument in context.args):
        from streamfer.training.backbone import main as train_backbone

        return train_backbone(context.args)
    from streamfer.training.classifier import main

    return main(context.args)


@eval_app.command("classifier")
def eval_classifier_command(
    data: Annotated[
        Path, typer.Option(help="Parquet or CSV file, folder of Parquet files, or image tree.")
    ],
    labels: Annotated[
        LabelSet | None,
        typer.Option(help="The head, and the truth. Left out: ferplus, if the weights have it."),
    ] = None,
    style: Annotated[
        Literal["photo", "sketch"], typer.Option(help="As it is, or drawn in pencil.")
    ] = "photo",
    tta: Annotated[bool, typer.Option("--tta", help="Average ten views of each face.")] = False,
    split: Annotated[
        Literal["train", "validation", "test"] | None,
        typer.Option(
            help="Where the data has splits; validation is FER2013's PublicTest. Left out: that, or"
            " test where there is none."
        ),
    ] = None,
    coding: Annotated[
        Coding | None, typer.Option(help="Whose class numbers the folders are called by.")
    ] = None,
    subjects: Annotated[
        str | None,
        typer.Option(
            metavar="RULE",
            help="Who is in a picture: folder:N, pattern:REGEX of the file name, or column:NAME.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at what would be passed over in the data.")
    ] = False,
    weights: Annotated[Path | None, typer.Option(help="Instead of the shipped weights.")] = None,
    training: Annotated[
        Path | None, typer.Option(help="Training set whose near-duplicates are left out.")
    ] = None,
    landmarks: Annotated[
        Path | None, typer.Option(help="Landmark cache (NPZ) to use and complete.")
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option(help="Let the served engine answer in this precision, instead of float32."),
    ] = None,
    protocol: Annotated[
        Literal["holdout", "kfold"], typer.Option(help="kfold: fine-tune and test on every fold.")
    ] = "holdout",
    folds: Annotated[int, typer.Option(help="With kfold: how many.")] = 10,
    by: Annotated[
        Literal["image", "subject"] | None,
        typer.Option(help="With kfold: what is never on both sides. Left out: both in turn."),
    ] = None,
    epochs: Annotated[int, typer.Option(help="With kfold: of each fold's training.")] = 8,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="With kfold: start from random weights.")
    ] = False,
    frozen_stages: Annotated[
        int, typer.Option(help="With kfold: first stages, of five, that stay as they are: faster.")
    ] = 0,
    checkpoints: Annotated[
        Path | None,
        typer.Option(help="With kfold: keep finished folds there, and go on from those."),
    ] = None,
    seed: Annotated[int, typer.Option(help="With kfold: of folds and training.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Write index, probs and label as NPZ.")
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Draw the confusion matrix into this picture.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Write a table for a paper: .tex or .csv.")
    ] = None,
) -> int:
    """Measure the face classifier on labelled faces."""
    from rich.console import Console

    from streamfer.evaluation.classifier import EvaluationConfig, evaluate_classifier
    from streamfer.evaluation.figure_table import check_table
    from streamfer.evaluation.folds import FoldsConfig, cross_validate
    from streamfer.evaluation.report import print_evaluation, print_folds, write_json
    from streamfer.models.vgg import SHIPPED_FACE_WEIGHTS
    from streamfer.training.data_summary import print_summary

    if precision and (weights or protocol == "kfold"):
        raise ConfigError("--precision is of the shipped network, without --weights or kfold")
    console = Console()
    reading = Reading(coding, subjects, strict)
    if table:
        check_table(table)
    chosen = weights or SHIPPED_FACE_WEIGHTS
    if protocol == "kfold":
        if training or split:
            raise ConfigError("--training and --split are not of kfold, which uses all of the data")
        folds_config = FoldsConfig(
            data,
            folds,
            by,
            epochs=epochs,
            weights=chosen,
            landmarks=landmarks,
            seed=seed,
            labels=labels,
            style=style,
            tta=tta,
            from_scratch=from_scratch,
            frozen_stages=frozen_stages,
            checkpoints=checkpoints,
            reading=reading,
        )

        def keep_folds(kind: str, evaluation: Evaluation) -> None:
            if evaluation.summary:
                print_summary(f"by {kind}", evaluation.summary, console)
            # Where both kinds are run, each has files of its own.
            end = f"-{kind}" if by is None else ""
            files = (predictions, confusion, table)
            named = [file and file.with_stem(file.stem + end) for file in files]
            _keep(evaluation, named[0], named[1], named[2])

        figures = cross_validate(folds_config, console.print, keep_folds)
        print_folds(figures, console)
    else:
        config = EvaluationConfig(
            data, labels, style, tta, split, chosen, training, landmarks, reading
        )
        with _served_engine(precision, console) as engine:
            evaluation = evaluate_classifier(config, engine)
        figures = evaluation.figures()
        if evaluation.summary:
            print_summary("data", evaluation.summary, console)
        if engine:
            figures["engine"] = f"{engine.backend} {engine.precision}"
        print_evaluation(evaluation, console)
        _keep(evaluation, predictions, confusion, table)
    if json_file:
        write_json(figures, json_file)
    return 0


@contextmanager
def _served_engine(precision: Precision | None, console: Console) -> Iterator[Engine | None]:
    """The engine that serves the shipped face network on the CPU; None where none is asked for."""
    if precision is None:
        yield None
        return
    from streamfer.app.networks.face_model import face_model
    from streamfer.models.shipped import SHIPPED
    from streamfer.runtime.open_engine import open_engine
    from streamfer.runtime.store.store import EngineStore

    store = EngineStore()
    model = face_model(SHIPPED, store, lambda *_: None)
    with closing(open_engine(model, precision=precision, store=store)) as engine:
        console.print(f"answers by {engine.backend} in {engine.precision}", highlight=False)
        yield engine


def _keep(
    evaluation: Evaluation, predictions: Path | None, confusion: Path | None, table: Path | None
) -> None:
    import numpy as np

    from streamfer.evaluation.figure_table import write_table
    from streamfer.evaluation.report import draw_confusion, write_picture, write_predictions

    if table:
        write_table(evaluation.figures(), table)
    if predictions:
        write_predictions(evaluation, predictions)
    if confusion:
        config = evaluation.config
        title = f"{config.data.name}: {config.labels}, {config.style}"
        counts = np.array(evaluation.figures()["confusion"])
        write_picture(draw_confusion(counts, title), confusion)


@eval_app.command("compare")
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
