"""Moments of a recording that are worth a look."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamfer.app.report.digest import bin_numbers
from streamfer.app.report.faces import UNCERTAIN, FaceTable
from streamfer.labels import LABELS

_NEUTRAL = LABELS.index("neutral")

Box = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that is worth a look."""

    time_s: float
    kind: str
    """`peak`, `change` or `together`."""
    tracks: tuple[int, ...]
    label: str
    box: Box


@dataclass(slots=True)
class _Lasting:
    """The answer that a track keeps, and one that may be about to follow."""

    label: int
    next: int
    since_s: float
    box: Box


class MomentFinder:
    """Finds peaks, changes that last and changes of several faces at once."""

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

    def add(self, track: int, faces: FaceTable) -> None:
        """Takes the faces of one track, in the order of time, a chunk at a time."""
        sure = (faces.label != UNCERTAIN) & np.isfinite(faces.shares[:, 0])
        faces = faces.of(np.flatnonzero(sure))
        if not len(faces.time_s):
            return
        label = faces.answer
        share = faces.shares[np.arange(len(label)), label]
        for place in _highest(share, (label != _NEUTRAL) & (share >= self.PEAK), faces):
            answer, box = LABELS[label[place]], tuple(faces.box_xyxy[place].tolist())
            moment = Moment(float(faces.time_s[place]), "peak", (track,), answer, box)
            self._add_peak(float(share[place]), moment)
        starts = [0, *(np.flatnonzero(np.diff(label)) + 1).tolist()]
        for start, end in zip(starts, [*starts[1:], len(label)], strict=True):
            box = tuple(faces.box_xyxy[start].tolist())
            begun_s, ended_s = float(faces.time_s[start]), float(faces.time_s[end - 1])
            self._add_run(track, int(label[start]), begun_s, ended_s, box)

    def _add_run(self, track: int, label: int, begun_s: float, ended_s: float, box: Box) -> None:
        """Takes faces of one answer, one after the other."""
        kept = self._lasting.get(track)
        if kept is None:
            self._lasting[track] = _Lasting(label, label, begun_s, box)
            return
        if label != kept.next:
            kept.next, kept.since_s, kept.box = label, begun_s, box
        if label != kept.label and ended_s - kept.since_s >= self.LASTS_S:
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


def _highest(share: NDArray[np.float64], wanted: NDArray[np.bool_], faces: FaceTable) -> list[int]:
    """Places of the highest share of each of the overview's bins, of those that are wanted."""
    places = np.flatnonzero(wanted)
    numbers = bin_numbers(faces)[places]
    order = np.lexsort((-share[places], numbers))
    _, firsts = np.unique(numbers[order], return_index=True)
    found: list[int] = places[order[firsts]].tolist()
    return found


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
