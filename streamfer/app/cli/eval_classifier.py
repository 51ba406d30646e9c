"""`streamfer eval classifier`: measures it, shows the figures and keeps them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console

from streamfer.app.cli.eval_options import EvalOptions
from streamfer.app.config_fields import Precision
from streamfer.app.networks.face_model import face_model
from streamfer.engine import Engine
from streamfer.evaluation.classifier import Evaluation, EvaluationConfig, evaluate_classifier
from streamfer.evaluation.figure_table import check_table, write_table
from streamfer.evaluation.folds import FoldsConfig, cross_validate
from streamfer.evaluation.report import (
    draw_confusion,
    print_evaluation,
    print_folds,
    write_json,
    write_picture,
    write_predictions,
)
from streamfer.media.files.claims import OutputClaims
from streamfer.models.shipped import SHIPPED
from streamfer.runtime.open_engine import open_engine
from streamfer.runtime.store.store import EngineStore
from streamfer.training.data_summary import print_summary

C = TypeVar("C")


def eval_classifier(options: EvalOptions) -> int:
    """Measures the face classifier as the options say.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: the data or an option are wrong.
        EngineError: the weights are missing or broken.
        OutputError: a result cannot be written.
    """
    console = Console()
    _claim(options)
    if options.table:
        check_table(options.table)
    by_protocol = _by_folds if options.protocol == "kfold" else _held_out
    figures = by_protocol(options, console)
    if options.json:
        write_json(figures, options.json)
    return 0


def _claim(options: EvalOptions) -> None:
    """Makes sure that no result replaces what is read, nor another result.

    Raises:
        ConfigError: one does.
    """
    inputs = (options.data, options.weights, options.training, options.landmarks)
    claims = OutputClaims(filter(None, inputs))
    both = options.protocol == "kfold" and options.by is None
    ends = [f"-{kind}" for kind in ("image", "subject")] if both else [""]
    for flag in ("predictions", "confusion", "table"):
        if (path := getattr(options, flag)) is not None:
            for end in ends:
                claims.name(f"--{flag}", _ended(path, end))
    if options.json:
        claims.name("--json", options.json)


def _held_out(options: EvalOptions, console: Console) -> dict[str, Any]:
    with _served_engine(options.precision, console) as engine:
        evaluation = evaluate_classifier(_config(options, EvaluationConfig), engine)
    figures = evaluation.figures()
    if evaluation.summary:
        print_summary("data", evaluation.summary, console)
    if engine:
        figures["engine"] = f"{engine.backend} {engine.precision}"
    print_evaluation(evaluation, console)
    _keep(evaluation, options)
    return figures


def _by_folds(options: EvalOptions, console: Console) -> dict[str, Any]:
    def keep(kind: str, evaluation: Evaluation) -> None:
        if evaluation.summary:
            print_summary(f"by {kind}", evaluation.summary, console)
        # Where both kinds are run, each has files of its own.
        _keep(evaluation, options, f"-{kind}" if options.by is None else "")

    figures = cross_validate(_config(options, FoldsConfig), console.print, keep)
    print_folds(figures, console)
    return figures


def _config(options: EvalOptions, config: type[C]) -> C:
    """The configuration whose fields have the names of options."""
    names = {field.name for field in dataclasses.fields(config)}  # type: ignore[arg-type]
    return config(**{name: getattr(options, name) for name in names if hasattr(options, name)})


@contextmanager
def _served_engine(precision: Precision | None, console: Console) -> Iterator[Engine | None]:
    """The engine that serves the shipped face network on the CPU; None where none is asked for."""
    if precision is None:
        yield None
        return
    store = EngineStore()
    model = face_model(SHIPPED, store, lambda *_: None)
    with closing(open_engine(model, precision=precision, store=store)) as engine:
        console.print(f"answers by {engine.backend} in {engine.precision}", highlight=False)
        yield engine


def _keep(evaluation: Evaluation, options: EvalOptions, end: str = "") -> None:
    """Writes what is asked for, into files whose names end like that."""
    if options.table:
        write_table(evaluation.figures(), _ended(options.table, end))
    if options.predictions:
        write_predictions(evaluation, _ended(options.predictions, end))
    if options.confusion:
        config = evaluation.config
        title = f"{config.data.name}: {config.labels}, {config.style}"
        counts = np.array(evaluation.figures()["confusion"])
        write_picture(draw_confusion(counts, title), _ended(options.confusion, end))


def _ended(file: Path, end: str) -> Path:
    return file.with_stem(file.stem + end)
