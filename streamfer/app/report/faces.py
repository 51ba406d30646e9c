"""The faces of a chunk of records as columns: hours of many faces are millions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamfer.errors import SourceError
from streamfer.labels import LABELS, NUM_LABELS

UNCERTAIN_BELOW = 0.5
UNCERTAIN = -1
"""Stands for the answer of a face whose trust is low, or that has none."""
_ANSWERS = {label: number for number, label in enumerate(LABELS)}
_NOTHING = (float("nan"),) * NUM_LABELS
_OF_NO_RECORD = (KeyError, TypeError, ValueError, AttributeError, OverflowError)
_COLUMNS = 10 + NUM_LABELS


@dataclass(frozen=True, slots=True, eq=False)
class FaceTable:
    """n faces, in the order of time."""

    frame: NDArray[np.int64]
    """(n,) place of its frame in the chunk, from 0."""
    time_s: NDArray[np.float64]
    """(n,)"""
    track: NDArray[np.int64]
    """(n,)"""
    box_xyxy: NDArray[np.float64]
    """(n, 4) pixels."""
    trust: NDArray[np.float64]
    """(n,), NaN where it is unknown."""
    answer: NDArray[np.int64]
    """(n,) index into `LABELS`, or `UNCERTAIN` where the record has none."""
    score: NDArray[np.float64]
    """(n,) of the detector."""
    shares: NDArray[np.float64]
    """(n, 7) in 0–1, smoothed where that is known; NaN where none are."""

    @property
    def label(self) -> NDArray[np.int64]:
        """(n,) the answer, or `UNCERTAIN` where its trust is low."""
        return np.where(self.trust < UNCERTAIN_BELOW, UNCERTAIN, self.answer)

    def of(self, rows: NDArray[np.int64]) -> FaceTable:
        """Some of its faces."""
        return FaceTable(
            self.frame[rows],
            self.time_s[rows],
            self.track[rows],
            self.box_xyxy[rows],
            self.trust[rows],
            self.answer[rows],
            self.score[rows],
            self.shares[rows],
        )

    def by_track(self) -> list[tuple[int, FaceTable]]:
        """The faces of each track, by its number."""
        order = np.argsort(self.track, kind="stable")
        tracks, starts = np.unique(self.track[order], return_index=True)
        ends = [*starts[1:].tolist(), len(order)]
        return [
            (int(track), self.of(order[start:end]))
            for track, start, end in zip(tracks, starts, ends if len(order) else (), strict=True)
        ]

    def detail(self) -> list[list[Any]]:
        """Each face as the page has it: track, box, trust, answer and seven thousandths."""
        known = np.isfinite(self.trust)
        trusts = np.where(known, np.round(self.trust, 4), 0.0).tolist()
        thousandths = np.round(1000 * np.nan_to_num(self.shares)).astype(np.int64).tolist()
        columns = zip(
            self.track.tolist(),
            np.round(self.box_xyxy, 1).tolist(),
            trusts,
            known.tolist(),
            self.answer.tolist(),
            thousandths,
            strict=True,
        )
        return [
            [track, *box, trust if has_trust else None, answer, *shares]
            for track, box, trust, has_trust, answer, shares in columns
        ]


@contextmanager
def reading(path: Path, kinds: tuple[type[Exception], ...] = _OF_NO_RECORD) -> Iterator[None]:
    """Turns what goes wrong with records that are none into one line.

    Args:
        path: of the records.
        kinds: what it takes for that.

    Raises:
        SourceError: a record lacks what every record has, or has it wrong.
    """
    try:
        yield
    except kinds as error:
        raise SourceError(f"{path}: holds what is no record: {error!r}") from error


class FaceRows:
    """Faces as they are read, made a table a chunk at a time."""

    def __init__(self) -> None:
        self._values: list[Any] = []

    def add(self, place: int, time_s: float, face: Mapping[str, Any]) -> None:
        """Takes one face.

        Args:
            place: of its frame in the chunk.
            time_s: of its frame.
            face: as in the records.

        Raises:
            KeyError: track or box is missing.
            TypeError: a field is of another kind.
            ValueError: box or shares have another length, or the box is nowhere.
        """
        x1, y1, x2, y2 = face["box"]
        if not math.isfinite(x1 + y1 + x2 + y2):
            raise ValueError(f"a box of {face['box']}")
        trust = face.get("trust")
        a, b, c, d, e, f, g = face.get("smoothed") or face.get("probs") or _NOTHING
        self._values += (
            place,
            time_s,
            face["track"],
            x1,
            y1,
            x2,
            y2,
            np.nan if trust is None else trust,
            _ANSWERS.get(face.get("emotion"), UNCERTAIN),  # type: ignore[arg-type]
            face.get("score") or 0.0,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
        )

    def table(self) -> FaceTable:
        """What has come so far.

        Raises:
            TypeError: a field is no number.
            ValueError: a field is no number.
        """
        rows = np.array(self._values, np.float64).reshape(-1, _COLUMNS)
        whole = rows[:, [0, 2, 8]].astype(np.int64)
        return FaceTable(
            frame=whole[:, 0],
            time_s=rows[:, 1],
            track=whole[:, 1],
            box_xyxy=rows[:, 3:7],
            trust=rows[:, 7],
            answer=whole[:, 2],
            score=rows[:, 9],
            shares=rows[:, 10:],
        )
