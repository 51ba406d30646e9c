"""How recorded faces usually look, and how much of the time they depart from that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamfer.app.report.measure.tracks import Track
from streamfer.labels import LABELS
from streamfer.pipeline.baseline import departed
from streamfer.types import FloatArray

_Person = tuple[str | None, str, int | str]
"""Run, stream, and number of a track or the name that several of them have."""


def departures(
    tracks: Sequence[Track], learn_s: float | None, names: Mapping[int, str]
) -> list[dict[str, Any] | None]:
    """What each track's answers are compared with how its person usually looks.

    Args:
        tracks: of any streams.
        learn_s: learn from the first so many seconds of each person; None: from all of them.
        names: of tracks; those of one name in a stream of a run are one person.

    Returns:
        For each track `usual` (mean probability of each label), `mean` departure (0 to 1) and
        `shares`: of the frames that depart towards each label, of all that were not learned from.
        None where there is nothing but what was learned from.
    """
    parts: dict[_Person, list[Track]] = {}
    for track in tracks:
        parts.setdefault(_person(track, names), []).append(track)
    usual = {person: _usual(those, learn_s) for person, those in parts.items()}
    return [_departure(track, *usual[_person(track, names)]) for track in tracks]


def _person(track: Track, names: Mapping[int, str]) -> _Person:
    return track.run, track.stream, names.get(track.number, track.number)


def _usual(tracks: Sequence[Track], learn_s: float | None) -> tuple[FloatArray, float]:
    """The mean answer that is learned, (7,), and the moment up to which it is."""
    times_s = np.concatenate([track.times_s for track in tracks])
    probs = np.concatenate([np.asarray(track.probs, np.float32) for track in tracks])
    if learn_s is None:
        return probs.mean(axis=0), -np.inf
    end_s = float(times_s.min()) + learn_s
    return probs[times_s <= end_s].mean(axis=0), end_s


def _departure(track: Track, usual: FloatArray, after_s: float) -> dict[str, Any] | None:
    probs = np.asarray(track.probs, np.float32)[np.asarray(track.times_s) > after_s]
    if not len(probs):
        return None
    found = [departed(each, usual) for each in probs]
    counted = Counter(label for _, label in found)
    return {
        "usual": {label: round(float(p), 4) for label, p in zip(LABELS, usual, strict=True)},
        "mean": round(float(np.mean([amount for amount, _ in found])), 4),
        "shares": {label: round(counted[label] / len(found), 4) for label in LABELS},
    }
