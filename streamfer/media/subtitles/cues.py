"""From frames to cues: one for every expression that stays."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamfer.types import UNCERTAIN_BELOW

_MOST_WAITING = 1000
"""Cues that wait for one that began before them and goes on; beyond, their order gives way."""


@dataclass(frozen=True, slots=True)
class CueConfig:
    """When an expression is worth a cue."""

    stable_s: float = 0.5
    """It must last so long, in seconds of media time; shorter ones are taken for flicker."""
    gap_s: float = 0.5
    """A face that is away for longer begins anew."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One face's expression over some time."""

    track: int
    emotion: str
    start_s: float
    end_s: float
    box_xyxy: tuple[float, float, float, float]
    """Mean of the face's boxes in px."""


@dataclass(slots=True)
class _Span:
    """An expression that goes on; `emotion` is None where the answers are uncertain."""

    emotion: str | None
    start_s: float
    boxes: list[float] = field(default_factory=lambda: [0.0] * 4)
    count: int = 0

    def add(self, box: Iterable[float]) -> None:
        self.boxes = [total + edge for total, edge in zip(self.boxes, box, strict=True)]
        self.count += 1


@dataclass(slots=True)
class _Track:
    seen_s: float
    current: _Span
    """What is believed."""
    rival: _Span | None = None
    """What may take its place."""
    settled: bool = False
    """Whether `current` has lasted."""


class CueBuilder:
    """Makes the cues of one stream, frame by frame, in constant memory.

    Args:
        config: when an expression is worth a cue.
    """

    def __init__(self, config: CueConfig | None = None) -> None:
        self._config = config or CueConfig()
        self._tracks: dict[int, _Track] = {}
        self._time_s = 0.0
        self._frame_s = 0.0
        """Between the last two frames."""
        self._first: int | None = None
        """The track whose expression lasted first."""
        self.several = False
        """Whether expressions of more than one track have lasted so far."""

    @property
    def begun(self) -> list[tuple[int, str, float]]:
        """Track, emotion and start in seconds of the cues that have begun and not ended."""
        return [
            (number, track.current.emotion, track.current.start_s)
            for number, track in self._tracks.items()
            if track.settled and track.current.emotion is not None
        ]

    @property
    def earliest(self) -> tuple[float, int]:
        """Start in seconds and track of the first cue that can still come."""
        return min(
            ((self._first_start_s(track), number) for number, track in self._tracks.items()),
            default=(math.inf, 0),
        )

    @property
    def decided_s(self) -> float:
        """Up to when it is certain which cues there are, in seconds of media time."""
        return min(map(_decided_s, self._tracks.values()), default=self._time_s)

    def add(self, record: Mapping[str, Any]) -> list[Cue]:
        """Takes the record of the next frame.

        Returns:
            The cues that have ended.
        """
        time_s = float(record["time_s"])
        self._frame_s = max(time_s - self._time_s, 0.0)
        self._time_s = time_s
        ended = [
            cue
            for number, track in list(self._tracks.items())
            if time_s - track.seen_s > self._config.gap_s
            for cue in self._end(number)
        ]
        for face in record.get("faces") or ():
            ended += self._see(int(face["track"]), _answer(face), time_s, face["box"])
        return ended

    def finish(self) -> list[Cue]:
        """The cues that the end of the stream ends."""
        return [cue for number in list(self._tracks) for cue in self._end(number)]

    def _see(
        self, number: int, emotion: str | None, time_s: float, box: Iterable[float]
    ) -> list[Cue]:
        track = self._tracks.get(number)
        if track is None:
            track = self._tracks[number] = _Track(time_s, _Span(emotion, time_s))
        track.seen_s = time_s
        ended: list[Cue] = []
        if emotion == track.current.emotion:
            track.rival = None
        else:
            if track.rival is None or track.rival.emotion != emotion:
                track.rival = _Span(emotion, time_s)
            if not track.settled or self._lasts(track.rival, time_s):
                ended = self._cue(number, track, track.rival.start_s)
                track.current, track.rival, track.settled = track.rival, None, False
        track.current.add(box)
        if not track.settled and self._lasts(track.current, time_s):
            track.settled = True
            self._note_speaker(number, track)
        return ended

    def _note_speaker(self, number: int, track: _Track) -> None:
        if track.current.emotion is not None:
            self._first = number if self._first is None else self._first
            self.several = self.several or number != self._first

    def _first_start_s(self, track: _Track) -> float:
        if track.current.emotion is not None:
            return track.current.start_s
        return self._time_s if track.rival is None else track.rival.start_s

    def _lasts(self, span: _Span, time_s: float) -> bool:
        return time_s - span.start_s >= self._config.stable_s

    def _end(self, number: int) -> list[Cue]:
        track = self._tracks.pop(number)
        # Its last frame stays for as long as the others.
        return self._cue(number, track, track.seen_s + min(self._frame_s, self._config.gap_s))

    def _cue(self, number: int, track: _Track, end_s: float) -> list[Cue]:
        span = track.current
        if span.emotion is None or not track.settled:
            return []
        left, top, right, bottom = (total / span.count for total in span.boxes)
        return [Cue(number, span.emotion, span.start_s, end_s, (left, top, right, bottom))]


def _decided_s(track: _Track) -> float:
    if not track.settled:
        return track.current.start_s
    return track.seen_s if track.rival is None else track.rival.start_s


class OrderedCues:
    """Cues in the order in which they begin, each as soon as no other can come before it.

    Args:
        builder: makes them.
    """

    def __init__(self, builder: CueBuilder) -> None:
        self._builder = builder
        self._waiting: list[tuple[float, int, int, Cue]] = []
        self._count = 0

    def add(self, record: Mapping[str, Any]) -> list[Cue]:
        """Takes the record of the next frame.

        Returns:
            The cues whose turn it is.
        """
        self._push(self._builder.add(record))
        earliest = self._builder.earliest
        ready = []
        while self._waiting and (
            self._waiting[0][:2] < earliest or len(self._waiting) > _MOST_WAITING
        ):
            ready.append(heapq.heappop(self._waiting)[-1])
        return ready

    def finish(self) -> list[Cue]:
        """The cues that are left at the end of the stream."""
        self._push(self._builder.finish())
        ready = [cue for *_, cue in sorted(self._waiting)]
        self._waiting.clear()
        return ready

    def _push(self, cues: Iterable[Cue]) -> None:
        for cue in cues:
            self._count += 1  # so that cues are never compared
            heapq.heappush(self._waiting, (cue.start_s, cue.track, self._count, cue))


def _answer(face: Mapping[str, Any]) -> str | None:
    trust = face.get("trust")
    if trust is not None and trust < UNCERTAIN_BELOW:
        return None
    return str(face["emotion"])
