"""Writes what the tables of the second paper are read from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from streamfer.evaluation.report import draw_confusion, write_picture
from streamfer.training.whole_file import make_folder


def draw_confusions(figures: dict[str, Any], folder: Path) -> None:
    """Draws every confusion matrix of the tables into a folder.

    Raises:
        OutputError: it cannot be made, or a picture cannot be written.
    """
    make_folder(folder)
    for backbone, arms in figures["confusion"].items():
        for latent, counts in arms.items():
            if counts is not None:
                title = f"{backbone}, latent: {latent}, {figures['style']}"
                picture = draw_confusion(np.array(counts), title)
                write_picture(picture, folder / f"{backbone}-{latent}.png")
