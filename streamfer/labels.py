"""The seven expressions, their order and their colours: the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""The order of every probability vector, record column, bar and confusion matrix."""

NUM_LABELS = len(LABELS)


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Those of LABELS that are among the names, in their order."""
    among = set(names)
    return tuple(label for label in LABELS if label in among)


UNCERTAIN = "uncertain"
"""What is shown instead of a label that is known to be no more than a guess."""

LabelSet = Literal["ferplus", "fer2013"]

LABEL_SETS: tuple[LabelSet, ...] = ("ferplus", "fer2013")
"""`ferplus`: the crowd's votes (default); `fer2013`: the labels that the papers report."""

COLOURS_RGB: dict[str, tuple[int, int, int]] = {
    "angry": (213, 94, 0),
    "disgust": (0, 158, 115),
    "fear": (204, 121, 167),
    "happy": (240, 228, 66),
    "sad": (0, 114, 178),
    "surprise": (86, 180, 233),
    "neutral": (200, 200, 200),
}
"""sRGB, 0–255. Okabe and Ito's palette, told apart with every common colour-vision deficiency."""
