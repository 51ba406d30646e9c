"""How an evaluation is shown and kept: a table, JSON, a picture, the predictions."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from streamfer.errors import OutputError
from streamfer.evaluation.classifier import Evaluation
from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.media.files.claims import ClaimedPath
from streamfer.media.files.output_file import write_whole
from streamfer.types import UInt8Array
from streamfer.vision.overlay.sheet import encode_picture

_CELL_PX = 84
_MARGIN_PX = 100
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_INK_RGB = (34, 34, 34)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Shows the figures as tables."""
    figures = evaluation.figures()
    table = Table(title=f"{evaluation.config.labels} · {evaluation.config.style}")
    for name in ("class", "precision", "recall", "F1", "faces"):
        table.add_column(name, justify="left" if name == "class" else "right")
    for name, scores in figures["per_class"].items():
        values = [_shown(scores[key], 3) for key in ("precision", "recall", "f1")]
        table.add_row(name, *values, str(scores["support"]))
    console.print(table)
    low, high = figures["confidence_95"] or (None, None)
    console.print(
        f"accuracy {figures['accuracy']:.4f} on {figures['n']} faces, 95 % between {_shown(low)}"
        f" and {_shown(high)} by {figures['confidence_95_by']}; {_dedup(figures)};"
        f" macro F1 {_shown(figures['macro_f1'])}, UAR {_shown(figures['uar'])},"
        f" kappa {_shown(figures['kappa'])}, ECE {figures['ece']:.4f}",
        soft_wrap=True,
    )
    confusion = Table(title="true class (rows) against answer (columns)")
    for name in ("", *LABELS):
        confusion.add_column(name, justify="right")
    for name, row in zip(LABELS, figures["confusion"], strict=True):
        confusion.add_row(name, *map(str, row))
    console.print(confusion)


def _dedup(figures: Mapping[str, Any]) -> str:
    if figures["n_dedup"] is None:
        return "which faces it learned from is not known"
    duplicates = figures["n"] - figures["n_dedup"]
    return (
        f"{_shown(figures['accuracy_dedup'])} without the {duplicates} near-duplicates of the"
        " training set"
    )


def _shown(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def print_folds(figures: Mapping[str, Any], console: Console) -> None:
    """Shows the accuracy of every kind of fold that was run."""
    for by in ("image", "subject"):
        result = figures[by]
        if result:
            spread = float(np.std(result["per_fold"], ddof=1))
            low, high = result["confidence_95"] or (None, None)
            console.print(
                f"{figures['folds']} folds by {by}: accuracy {result['accuracy']:.4f}"
                f" (sample SD {spread:.4f} over the folds), 95 % between {_shown(low)} and"
                f" {_shown(high)} by {result['confidence_95_by']}; UAR {_shown(result['uar'])};"
                f" {result['n']} faces{_seen_by_start(figures, result)}",
                soft_wrap=True,
            )


def _seen_by_start(figures: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """How many of the faces the weights have learned from that every fold starts from."""
    if figures["from_scratch"]:
        return ""
    if result["n_dedup"] is None:
        return "; which of them the initial weights learned from is not known"
    seen = result["n"] - result["n_dedup"]
    without = f": {_shown(result['accuracy_dedup'])} without them" if seen else ""
    return f", {seen} of which the initial weights learned from{without}"


def write_json(figures: Mapping[str, Any], path: Path) -> None:
    """Writes figures as JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        write_whole(ClaimedPath(path), (json.dumps(figures, indent=2) + "\n").encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error


def write_predictions(evaluation: Evaluation, path: Path) -> None:
    """Writes `index` (row of the input), `probs` (n, 7), `label` (n,), `name` (n,) and, where they
    are known, `subject` (n,) as NPZ.

    Raises:
        OutputError: the file cannot be written.
    """
    answers = io.BytesIO()
    np.savez_compressed(
        answers,
        index=evaluation.index,
        probs=evaluation.probs,
        label=evaluation.classes,
        name=np.array(evaluation.names, dtype=np.str_),
        subject=np.array(evaluation.subjects, dtype=np.str_),
    )
    try:
        write_whole(ClaimedPath(path), answers.getvalue())
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error


def write_picture(image: UInt8Array, path: Path) -> None:
    """Writes an (H, W, 3) RGB picture, as PNG unless the suffix says otherwise.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        write_whole(ClaimedPath(path), encode_picture(image, path.suffix or ".png"))
    except OutputError as error:
        raise OutputError(f"{path}: {error}") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error


def draw_confusion(confusion: NDArray[np.int64], title: str) -> UInt8Array:
    """The confusion matrix as a picture (paper A, Fig. 11), (H, W, 3) uint8 RGB.

    Each row is in its class's colour, the fuller the larger its share of the row; a cell says the
    share and the count.
    """
    side = _CELL_PX * len(LABELS)
    canvas = np.full((side + 2 * _MARGIN_PX, side + 2 * _MARGIN_PX, 3), 255, dtype=np.uint8)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    _write(canvas, title, (_MARGIN_PX, 28), 0.7)
    _write(canvas, "answer", (_MARGIN_PX, side + _MARGIN_PX + 30), 0.5)
    for row, name in enumerate(LABELS):
        offset = _MARGIN_PX + row * _CELL_PX
        _write(canvas, name, (8, offset + _CELL_PX // 2 + 5), 0.5)
        _write(canvas, name, (offset + 6, _MARGIN_PX - 12), 0.5)
        for column in range(len(LABELS)):
            left, top = _MARGIN_PX + column * _CELL_PX, offset
            share = float(shares[row, column])
            colour = [round(255 + (c - 255) * share) for c in COLOURS_RGB[name]]
            canvas[top : top + _CELL_PX - 2, left : left + _CELL_PX - 2] = colour
            _write(canvas, f"{share:.2f}", (left + 20, top + 40), 0.5)
            _write(canvas, str(int(confusion[row, column])), (left + 20, top + 62), 0.4)
    return canvas


def _write(canvas: UInt8Array, text: str, origin: tuple[int, int], scale: float) -> None:
    cv2.putText(canvas, text, origin, _FONT, scale, _INK_RGB, 1, cv2.LINE_AA)
