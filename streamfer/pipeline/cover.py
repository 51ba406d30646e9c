"""Covers the faces of a stream before anything that writes or shows pictures sees them."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from streamfer.types import Detection, FaceResult, FrameResult, UInt8Array
from streamfer.vision.cover import blur_face, replace_face

AROUND_S = 1.0
"""A face that is missed is covered where it was seen so long before or after, in media time."""
_HELD_BYTES = 256 * 2**20
"""Of pictures that wait for what comes after them, at most; never fewer than `_FEWEST`."""
_FEWEST = 4
_GROWTH = 0.2
"""Where a face was not seen itself, so much more is covered, of the box's sides, …"""
_GROWTH_PER_S = 0.6
"""… and so much more for each second to when it was seen."""


class Cover(Protocol):
    """What a stream's results go through on the way to its outputs; it may hold some back."""

    def take(self, result: FrameResult) -> Sequence[FrameResult]:
        """The results that are ready with this one, in order."""
        ...

    def rest(self) -> Sequence[FrameResult]:
        """Those that are still held back."""
        ...


class NoCover:
    """Leaves results as they are."""

    def take(self, result: FrameResult) -> Sequence[FrameResult]:
        """See `Cover`."""
        return (result,)

    def rest(self) -> Sequence[FrameResult]:
        """See `Cover`."""
        return ()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A face at one moment."""

    time_s: float
    detection: Detection
    drawing: UInt8Array | None = field(repr=False)


class FaceCover:
    """Blurs the faces of one stream, or puts drawn ones in their place.

    What is said of the faces stays; what would show them (drawings, codes) goes. Where the detector
    misses a face it is covered by where it was before and, of files, after.

    Args:
        look_ahead: whether results may wait for later ones: of files.
        draw: whether faces are replaced by their `imagined` drawings, where there are such.
    """

    def __init__(self, *, look_ahead: bool, draw: bool) -> None:
        self._look_ahead = look_ahead
        self._draw = draw
        self._held: deque[FrameResult] = deque()
        self._seen: dict[int, list[_Seen]] = {}
        self._segment: int | None = None

    def take(self, result: FrameResult) -> Sequence[FrameResult]:
        """The results whose faces are known as well as they will be, covered."""
        ready = []
        if result.frame.segment != self._segment:  # other places mean other pixels
            ready = self.rest()
            self._seen.clear()
            self._segment = result.frame.segment
        self._note(result)
        self._held.append(result)
        return [*ready, *(self._covered(held) for held in self._ready())]

    def rest(self) -> list[FrameResult]:
        """All that wait, covered."""
        covered = [self._covered(result) for result in self._held]
        self._held.clear()
        return covered

    def _ready(self) -> Iterator[FrameResult]:
        newest_s = self._held[-1].frame.time_s
        size = max(self._held[-1].frame.image.nbytes, 1)
        most = max(_HELD_BYTES // size, _FEWEST) if self._look_ahead else 0
        while self._held:
            waits_s = newest_s - self._held[0].frame.time_s
            if self._look_ahead and waits_s < AROUND_S and len(self._held) <= most:
                return
            yield self._held.popleft()

    def _note(self, result: FrameResult) -> None:
        time_s = result.frame.time_s
        for face in result.faces:
            drawing = face.imagined if self._draw else None
            seen = self._seen.setdefault(face.track_id, [])
            seen.append(_Seen(time_s, face.detection, drawing))
        oldest_s = (self._held[0].frame.time_s if self._held else time_s) - AROUND_S
        for track, seen in list(self._seen.items()):
            while seen and seen[0].time_s < oldest_s:
                seen.pop(0)
            if not seen:
                del self._seen[track]

    def _covered(self, result: FrameResult) -> FrameResult:
        image = result.frame.image.copy()
        time_s = result.frame.time_s
        for seen in self._seen.values():
            _cover(image, seen, time_s)
        faces = tuple(_without_likeness(face, self._draw) for face in result.faces)
        return replace(result, frame=replace(result.frame, image=image), faces=faces)


def _cover(image: UInt8Array, seen: Sequence[_Seen], time_s: float) -> None:
    """Covers a track in a frame, also where it was not seen in that very frame."""
    place = bisect_right(seen, time_s, key=lambda one: one.time_s)
    before = seen[place - 1] if place else None
    after = seen[place] if place < len(seen) else None
    if before is not None and before.time_s == time_s:
        _put(image, before)
        return
    near = [s for s in (before, after) if s is not None and abs(s.time_s - time_s) <= AROUND_S]
    if not near:
        return
    nearest = min(near, key=lambda one: abs(one.time_s - time_s))
    away_s = abs(nearest.time_s - time_s)
    if before is not None and after is not None and len(near) == 2:
        nearest = replace(nearest, detection=_between(before, after, time_s))
    # Where it is is a guess: more is covered than a drawing would fill.
    blur_face(image, nearest.detection.box_xyxy, _GROWTH + _GROWTH_PER_S * away_s)
    _put(image, nearest)


def _put(image: UInt8Array, seen: _Seen) -> None:
    if seen.drawing is None:
        blur_face(image, seen.detection.box_xyxy)
    else:
        replace_face(image, seen.detection, seen.drawing)


def _between(before: _Seen, after: _Seen, time_s: float) -> Detection:
    share = np.float32((time_s - before.time_s) / (after.time_s - before.time_s))
    first, last = before.detection, after.detection
    return Detection(
        first.box_xyxy + share * (last.box_xyxy - first.box_xyxy),
        min(first.score, last.score),
        first.landmarks + share * (last.landmarks - first.landmarks),
    )


def _without_likeness(face: FaceResult, draw: bool) -> FaceResult:
    """The result without what shows the person."""
    drawing = face.imagined if draw else None
    return replace(face, latent=None, reconstruction=drawing, imagined=None, imagined_as=None)
