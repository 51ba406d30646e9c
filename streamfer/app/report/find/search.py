"""Which codes of a file are nearest to one, or furthest along an expression."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.media.records.latent_reader import LatentRows
from streamfer.models.directions import Directions
from streamfer.types import FloatArray

Space = Callable[[FloatArray], FloatArray]
"""What is compared of codes: (N, num_ws · w_dim) → (N, d)."""
_STRETCHES = 8
"""In the least time between two moments: of each the best frame is kept, however long the
recording is, so that a strong minute does not push all others out."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One face in one frame."""

    cost: float
    """What is sought is small."""
    stream: str
    track: int
    frame: int
    time_s: float


class _Candidates(Protocol):
    """Moments of one track that may be chosen."""

    def offer(self, moment: Moment) -> None: ...

    def sorted(self) -> list[Moment]: ...


@dataclass(slots=True)
class _Best:
    """The best moments, at most so many."""

    most: int
    heap: list[tuple[float, Moment]] = field(default_factory=list)
    """The worst first."""

    def offer(self, moment: Moment) -> None:
        entry = (-moment.cost, moment)
        if len(self.heap) < self.most:
            heapq.heappush(self.heap, entry)
        elif entry[0] > self.heap[0][0]:
            heapq.heapreplace(self.heap, entry)

    def sorted(self) -> list[Moment]:
        return sorted(moment for _, moment in self.heap)


@dataclass(slots=True)
class _BestOfStretches:
    """The best moment of every stretch of time."""

    stretch_s: float
    best: dict[int, Moment] = field(default_factory=dict)

    def offer(self, moment: Moment) -> None:
        stretch = int(moment.time_s // self.stretch_s)
        kept = self.best.get(stretch)
        if kept is None or moment < kept:
            self.best[stretch] = moment

    def sorted(self) -> list[Moment]:
        return sorted(self.best.values())


def expression_space(
    directions: Directions, code_shape: tuple[int, int], emotion: str | None = None
) -> Space:
    """How far codes lie along the directions of the expressions, in standard deviations each.

    Args:
        directions: of the generator that the codes belong to.
        code_shape: num_ws and w_dim of the codes.
        emotion: this one alone; None for all seven.

    Raises:
        ConfigError: the directions are of another generator, or lack an expression.
    """
    if directions.code_shape != code_shape:
        ours, theirs = (f"{rows} × {width}" for rows, width in (directions.code_shape, code_shape))
        raise ConfigError(
            f"the directions are for codes of {ours}, the latents are {theirs}; compare --by whole,"
            " or name other --directions"
        )
    names = LABELS if emotion is None else (emotion,)
    vectors = np.stack([directions.vector(name).ravel() for name in names])
    scales = (vectors / (vectors**2).sum(axis=1, keepdims=True)).T
    return lambda codes: codes @ scales


def whole_space(codes: FloatArray) -> FloatArray:
    """The codes as they are, so scaled that distances are root mean squares."""
    return codes / np.float32(np.sqrt(codes.shape[1]))


def nearest(
    rows: Iterable[LatentRows], space: Space, like: FloatArray | None, count: int, apart_s: float
) -> list[Moment]:
    """The moments whose codes are nearest to one, or, without one, lie furthest along the space.

    Args:
        rows: of a file.
        space: what is compared.
        like: (num_ws · w_dim,) float32.
        count: most moments to find.
        apart_s: least seconds between two moments of one track; by an eighth of it more may lie
            between them, as of frames so near to each other only the best one is looked at.

    Returns:
        The moments, best first.
    """
    target = None if like is None else space(like[None])[0]
    found: dict[tuple[str, int], _Candidates] = {}
    for part in rows:
        places = space(part.codes)
        costs = -places[:, 0] if target is None else np.linalg.norm(places - target, axis=1)
        for row, cost in enumerate(costs):
            stream, track = part.streams[row], int(part.tracks[row])
            candidates = found.get((stream, track))
            if candidates is None:
                candidates = found[stream, track] = _candidates(count, apart_s)
            moment = Moment(
                float(cost), stream, track, int(part.frames[row]), float(part.times_s[row])
            )
            candidates.offer(moment)
    chosen: list[Moment] = []
    for candidates in found.values():
        chosen += _spread(candidates.sorted(), count, apart_s)
    return sorted(chosen)[:count]


def _candidates(count: int, apart_s: float) -> _Candidates:
    return _BestOfStretches(apart_s / _STRETCHES) if apart_s > 0 else _Best(count)


def _spread(moments: Sequence[Moment], count: int, apart_s: float) -> list[Moment]:
    """The best moments of a track that lie apart."""
    kept: list[Moment] = []
    for moment in moments:
        if len(kept) == count:
            break
        if all(abs(moment.time_s - other.time_s) >= apart_s for other in kept):
            kept.append(moment)
    return kept
