"""From frames to cues: one for every expression that stays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from streamfer.types import UNCERTAIN_BELOW


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
        track.settled = track.settled or self._lasts(track.current, time_s)
        return ended

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


def _answer(face: Mapping[str, Any]) -> str | None:
    trust = face.get("trust")
    if trust is not None and trust < UNCERTAIN_BELOW:
        return None
    return str(face["emotion"])
