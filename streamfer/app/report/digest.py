"""What a report keeps of records: an overview of every track, the detail by chunk, and moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from streamfer.labels import LABELS, NUM_LABELS
from streamfer.types import UInt8Array

OVERVIEW_HZ = 5
"""Bins of the overview per second."""
CHUNK_S = 60
"""Seconds of detail that the page loads at once."""
NO_LABEL = 255
"""Stands in a bin where the face was away, or its trust is unknown."""
BIN_BYTES = 2 + 2 * NUM_LABELS
"""Label, trust, seven least and seven greatest probabilities, each of a byte."""
UNCERTAIN_BELOW = 0.5
_NEUTRAL = LABELS.index("neutral")


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
    bins: dict[int, bytearray] = field(default_factory=dict)
    """The overview: `BIN_BYTES` values of each bin in which the face was seen."""

    def add(self, time_s: float, face: Mapping[str, Any]) -> None:
        """Takes one face of a frame."""
        self.last_s = time_s
        self.frames += 1
        trust = face.get("trust")
        probs = face.get("smoothed") or face.get("probs")
        label = label_of(face)
        if label is None:
            self.uncertain += 1
        else:
            self.labels[label] += 1
        box = tuple(face["box"])
        # Large, trusted and well found.
        sure = (1.0 if trust is None else float(trust)) * float(face.get("score") or 0.0)
        rank = sure * (box[2] - box[0]) * (box[3] - box[1])
        if self.best is None or rank > self.best[0]:
            self.best = (rank, time_s, box)
        if probs is not None:
            self._add_to_bin(int(time_s * OVERVIEW_HZ), label, trust, probs)

    def _add_to_bin(
        self, number: int, label: int | None, trust: float | None, probs: Sequence[float]
    ) -> None:
        shares = [round(share * 255) for share in probs]
        known = NO_LABEL if trust is None else round(trust * 254)
        shown = NUM_LABELS if label is None else label
        found = self.bins.get(number)
        if found is None:
            self.bins[number] = bytearray((shown, known, *shares, *shares))
            return
        found[0] = shown
        found[1] = min(found[1], known)
        for i, share in enumerate(shares):
            # Millions of times for hours of records: comparisons cost less than min and max.
            if share < found[2 + i]:
                found[2 + i] = share
            elif share > found[2 + NUM_LABELS + i]:
                found[2 + NUM_LABELS + i] = share

    def overview(self) -> tuple[int, UInt8Array]:
        """Number of the first bin, and (bins, `BIN_BYTES`) uint8 from it; `NO_LABEL` in gaps."""
        if not self.bins:
            return 0, np.empty((0, BIN_BYTES), np.uint8)
        first, last = min(self.bins), max(self.bins)
        table = np.full((last - first + 1, BIN_BYTES), NO_LABEL, np.uint8)
        table[np.array(list(self.bins)) - first] = np.frombuffer(
            b"".join(self.bins.values()), np.uint8
        ).reshape(-1, BIN_BYTES)
        return first, table


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that is worth a look."""

    time_s: float
    kind: str
    """`peak`, `change` or `together`."""
    tracks: tuple[int, ...]
    label: str
    box: tuple[float, ...]


def label_of(face: Mapping[str, Any]) -> int | None:
    """Index of a face's answer; None where it is uncertain."""
    trust = face.get("trust")
    if trust is not None and trust < UNCERTAIN_BELOW:
        return None
    emotion = face.get("emotion")
    return LABELS.index(emotion) if emotion in LABELS else None


@dataclass(slots=True)
class _Lasting:
    """The answer that a track keeps, and one that may be about to follow."""

    label: int
    next: int
    since_s: float
    box: tuple[float, ...]


class MomentFinder:
    """Finds peaks, changes that last and changes of several faces at once, a face at a time."""

    PEAK = 0.8
    """A share from which an expression is a peak."""
    APART_S = 5.0
    """Between two peaks of one track."""
    LASTS_S = 1.0
    """An answer counts as changed when it has stayed so long."""
    TOGETHER_S = 1.0
    MOST = 60
    """Moments of a recording; the rest is in the strips."""

    def __init__(self) -> None:
        self._lasting: dict[int, _Lasting] = {}
        self._peaks: list[tuple[float, Moment]] = []
        self._last_peak: dict[int, int] = {}
        self._changes: list[Moment] = []

    def add(self, time_s: float, face: Mapping[str, Any]) -> None:
        """Takes one face of a frame."""
        label = label_of(face)
        probs = face.get("smoothed") or face.get("probs")
        if label is None or probs is None:
            return
        track, box = face["track"], tuple(face["box"])
        if label != _NEUTRAL and probs[label] >= self.PEAK:
            self._add_peak(probs[label], Moment(time_s, "peak", (track,), LABELS[label], box))
        kept = self._lasting.get(track)
        if kept is None:
            self._lasting[track] = _Lasting(label, label, time_s, box)
            return
        if label != kept.next:
            kept.next, kept.since_s, kept.box = label, time_s, box
        elif label != kept.label and time_s - kept.since_s >= self.LASTS_S:
            kept.label = label
            moment = Moment(kept.since_s, "change", (track,), LABELS[label], kept.box)
            self._changes.append(moment)

    def _add_peak(self, share: float, moment: Moment) -> None:
        track = moment.tracks[0]
        place = self._last_peak.get(track)
        if place is None or moment.time_s - self._peaks[place][1].time_s > self.APART_S:
            self._last_peak[track] = len(self._peaks)
            self._peaks.append((share, moment))
        elif share > self._peaks[place][0]:
            self._peaks[place] = (share, moment)

    def moments(self) -> list[Moment]:
        """In the order of time: several faces together first, where there are too many."""
        together, single = _joined(sorted(self._changes, key=lambda m: m.time_s), self.TOGETHER_S)
        peaks = [moment for _, moment in sorted(self._peaks, key=lambda p: -p[0])]
        chosen = [*together, *peaks[: self.MOST // 2], *single][: self.MOST]
        return sorted(chosen, key=lambda moment: moment.time_s)


def _joined(changes: Iterable[Moment], within_s: float) -> tuple[list[Moment], list[Moment]]:
    """Changes of several tracks within a time as one moment each, and those that stand alone."""
    groups: list[list[Moment]] = []
    for change in changes:
        if groups and change.time_s - groups[-1][0].time_s <= within_s:
            groups[-1].append(change)
        else:
            groups.append([change])
    together, single = [], []
    for group in groups:
        tracks = tuple(dict.fromkeys(moment.tracks[0] for moment in group))
        if len(tracks) < 2:
            single += group
            continue
        first = group[0]
        together.append(Moment(first.time_s, "together", tracks, first.label, first.box))
    return together, single


def detail_row(face: Mapping[str, Any]) -> list[Any]:
    """A face in a chunk: track, box, trust, answer and seven shares in thousandths."""
    probs = face.get("smoothed") or face.get("probs") or [0.0] * NUM_LABELS
    emotion = face.get("emotion")
    answer = LABELS.index(emotion) if emotion in LABELS else -1
    box = [round(edge, 1) for edge in face["box"]]
    return [face["track"], *box, face.get("trust"), answer, *(round(1000 * p) for p in probs)]
