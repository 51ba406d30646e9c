"""Which codes of a file are nearest to one, or furthest along an expression."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.media.records.latent_reader import LatentRows
from streamfer.models.directions import Directions
from streamfer.types import FloatArray

Space = Callable[[FloatArray], FloatArray]
"""What is compared of codes: (N, num_ws · w_dim) → (N, d)."""
_SPARE = 64
"""Candidates that are kept for each moment that is asked for, most of them next to a better one."""


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """One face in one frame."""

    cost: float
    """What is sought is small."""
    stream: str
    track: int
    frame: int
    time_s: float


@dataclass(slots=True)
class _Candidates:
    """The best moments of one track, at most so many."""

    most: int
    heap: list[tuple[float, Moment]] = field(default_factory=list)
    """The worst first."""

    def offer(self, moment: Moment) -> None:
        entry = (-moment.cost, moment)
        if len(self.heap) < self.most:
            heapq.heappush(self.heap, entry)
        elif entry[0] > self.heap[0][0]:
            heapq.heapreplace(self.heap, entry)


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
        apart_s: least seconds between two moments of one track.

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
            candidates = found.setdefault((stream, track), _Candidates(count * _SPARE))
            moment = Moment(
                float(cost), stream, track, int(part.frames[row]), float(part.times_s[row])
            )
            candidates.offer(moment)
    chosen: list[Moment] = []
    for candidates in found.values():
        chosen += _spread(sorted(moment for _, moment in candidates.heap), count, apart_s)
    return sorted(chosen)[:count]


def _spread(moments: Sequence[Moment], count: int, apart_s: float) -> list[Moment]:
    """The best moments of a track that lie apart."""
    kept: list[Moment] = []
    for moment in moments:
        if len(kept) == count:
            break
        if all(abs(moment.time_s - other.time_s) >= apart_s for other in kept):
            kept.append(moment)
    return kept
