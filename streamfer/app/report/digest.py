"""What a report keeps of every track: its overview, its shares and its best picture."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streamfer.app.report.faces import UNCERTAIN, FaceTable
from streamfer.labels import NUM_LABELS
from streamfer.types import UInt8Array

OVERVIEW_HZ = 5
"""Bins of the overview per second."""
NO_LABEL = 255
"""Stands in a bin where the face was away, or its trust is unknown."""
BIN_BYTES = 2 + 2 * NUM_LABELS
"""Label, trust, seven least and seven greatest probabilities, each of a byte."""
_LEAST, _GREATEST = slice(2, 2 + NUM_LABELS), slice(2 + NUM_LABELS, BIN_BYTES)


@dataclass(slots=True)
class TrackDigest:
    """One track, as the report shows it."""

    track: int
    first_s: float
    last_s: float = 0.0
    frames: int = 0
    uncertain: int = 0
    labels: list[int] = field(default_factory=lambda: [0] * NUM_LABELS)
    """Frames of each expression; the uncertain ones are in none."""
    best: tuple[float, float, tuple[float, ...]] | None = None
    """Rank, time and box of its best picture."""
    parts: list[tuple[NDArray[np.int64], UInt8Array]] = field(default_factory=list)
    """The overview: numbers of bins, and `BIN_BYTES` values of each, a chunk at a time."""

    def add(self, faces: FaceTable) -> None:
        """Takes this track's faces of a chunk, one at least."""
        label = faces.label
        self.last_s = float(faces.time_s[-1])
        self.frames += len(label)
        self.uncertain += int((label == UNCERTAIN).sum())
        counts = np.bincount(label[label != UNCERTAIN], minlength=NUM_LABELS)
        self.labels = [had + int(count) for had, count in zip(self.labels, counts, strict=True)]
        self._rank(faces)
        known = np.flatnonzero(np.isfinite(faces.shares[:, 0]))
        if len(known):
            self.parts.append(_binned(faces.of(known)))

    def _rank(self, faces: FaceTable) -> None:
        # Large, trusted and well found.
        sure = np.where(np.isfinite(faces.trust), faces.trust, 1.0) * faces.score
        size_wh = faces.box_xyxy[:, 2:] - faces.box_xyxy[:, :2]
        ranks = sure * size_wh.prod(axis=1)
        place = int(ranks.argmax())
        if self.best is None or ranks[place] > self.best[0]:
            box = tuple(faces.box_xyxy[place].tolist())
            self.best = (float(ranks[place]), float(faces.time_s[place]), box)

    def overview(self) -> tuple[int, UInt8Array]:
        """Number of the first bin, and (bins, `BIN_BYTES`) uint8 from it; `NO_LABEL` in gaps."""
        if not self.parts:
            return 0, np.empty((0, BIN_BYTES), np.uint8)
        numbers, table = _joined(
            np.concatenate([part[0] for part in self.parts]),
            np.concatenate([part[1] for part in self.parts]),
        )
        whole = np.full((numbers[-1] - numbers[0] + 1, BIN_BYTES), NO_LABEL, np.uint8)
        whole[numbers - numbers[0]] = table
        return int(numbers[0]), whole


def bin_numbers(faces: FaceTable) -> NDArray[np.int64]:
    """(n,) the overview's bin of each face."""
    return (faces.time_s * OVERVIEW_HZ).astype(np.int64)


def _binned(faces: FaceTable) -> tuple[NDArray[np.int64], UInt8Array]:
    label, trust = faces.label, faces.trust
    rows = np.empty((len(label), BIN_BYTES), np.uint8)
    rows[:, 0] = np.where(label == UNCERTAIN, NUM_LABELS, label)
    rows[:, 1] = np.where(np.isfinite(trust), np.round(np.nan_to_num(trust) * 254), NO_LABEL)
    rows[:, _LEAST] = rows[:, _GREATEST] = np.round(np.clip(faces.shares, 0, 1) * 255)
    return _joined(bin_numbers(faces), rows)


def _joined(numbers: NDArray[np.int64], rows: UInt8Array) -> tuple[NDArray[np.int64], UInt8Array]:
    """Rows of the same bin as one: its last answer, least trust, and the band of its shares."""
    order = np.argsort(numbers, kind="stable")
    numbers, rows = numbers[order], rows[order]
    found, starts = np.unique(numbers, return_index=True)
    table = np.minimum.reduceat(rows, starts, axis=0)
    table[:, _GREATEST] = np.maximum.reduceat(rows[:, _GREATEST], starts, axis=0)
    table[:, 0] = rows[np.append(starts[1:], len(rows)) - 1, 0]
    return found, table
