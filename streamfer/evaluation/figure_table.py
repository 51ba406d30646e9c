"""The figures of an evaluation as a table for a paper: LaTeX or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streamfer.errors import ConfigError, OutputError

_SUFFIXES = (".tex", ".csv")
_OVERALL = {"accuracy": "accuracy", "macro_f1": "macro F1", "uar": "UAR", "kappa": "kappa"}


def check_table(path: Path) -> None:
    """Refuses a file that is neither LaTeX nor CSV, before anything is computed.

    Raises:
        ConfigError: its suffix is another.
    """
    if path.suffix not in _SUFFIXES:
        raise ConfigError(f"--table {path}: expected a .tex or .csv file")


def write_table(figures: Mapping[str, Any], path: Path) -> None:
    """Writes recall, precision and F1 of every class and the figures of all, with intervals.

    Args:
        figures: see `Evaluation.figures`.
        path: `.tex` (booktabs) or `.csv`; what does not exist is a dash, or an empty field.

    Raises:
        OutputError: the file cannot be written.
    """
    rows: list[tuple[str, ...]] = [("class", "precision", "recall", "F1", "faces")]
    for name, scores in figures["per_class"].items():
        values = (_number(scores[key]) for key in ("precision", "recall", "f1"))
        rows.append((name, *values, str(scores["support"])))
    for key, name in _OVERALL.items():
        low, high = figures["intervals_95"][key] or (None, None)
        rows.append((name, _number(figures[key]), _number(low), _number(high), str(figures["n"])))
    try:
        path.write_text(_latex(rows) if path.suffix == ".tex" else _csv(rows), "utf-8")
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _csv(rows: list[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = len(rows) - len(_OVERALL)
    writer.writerows(rows[:classes])
    writer.writerow(("figure", "value", "low 95 %", "high 95 %", "faces"))
    writer.writerows(rows[classes:])
    return text.getvalue()


def _latex(rows: list[tuple[str, ...]]) -> str:
    classes = len(rows) - len(_OVERALL)
    lines = [" & ".join(cell or "--" for cell in row) + r" \\" for row in rows]
    middle = r"figure & value & low 95\,\% & high 95\,\% & faces \\"
    return "\n".join(
        [
            r"\begin{tabular}{lrrrr}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:classes],
            r"\midrule",
            middle,
            r"\midrule",
            *lines[classes:],
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
