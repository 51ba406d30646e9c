"""Writes what the tables of the second paper are read from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from streamfer.errors import OutputError
from streamfer.evaluation.report import draw_confusion, write_picture


def draw_confusions(figures: dict[str, Any], folder: Path) -> None:
    """Draws every confusion matrix of the tables into a folder.

    Raises:
        OutputError: it cannot be made, or a picture cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder}: cannot make the folder: {error.strerror}") from error
    for backbone, arms in figures["confusion"].items():
        for latent, counts in arms.items():
            if counts is not None:
                title = f"{backbone}, latent: {latent}, {figures['style']}"
                picture = draw_confusion(np.array(counts), title)
                write_picture(picture, folder / f"{backbone}-{latent}.png")


def write_whole(path: Path, text: str) -> None:
    """Writes text whole or not at all: others may read it while a training goes on.

    Raises:
        OutputError: it cannot be written.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, "utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror}") from error
