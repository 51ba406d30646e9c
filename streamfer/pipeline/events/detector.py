"""Makes a stream's events from its results: a function of these and of media time alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from streamfer.pipeline.events.grammar import Rule, Threshold
from streamfer.types import EventName, FaceResult, FrameResult, StreamEvent


@dataclass(frozen=True, slots=True)
class EventConfig:
    """What makes an event, in seconds of media time."""

    appeared_s: float = 0.3
    """A face is there once it has been seen for so long: what flashes by is none."""
    left_s: float = 1.0
    """It has left once it has not been seen for so long."""
    changed_s: float = 0.5
    """An expression counts once the track's answer has been the same, and not uncertain, for so
    long."""
    held_s: float = 5.0
    """It is held once it has been the same for so long."""
    reaction_s: float = 1.0
    """Changes of several faces within so long are one reaction."""
    reaction_faces: int = 2
    """So many faces."""
    rules: tuple[Rule, ...] = ()

    @classmethod
    def from_rules(cls, rules: Sequence[Rule | Threshold]) -> EventConfig:
        """The configuration that the user's rules make; of two thresholds the later one holds."""
        config = cls(rules=tuple(rule for rule in rules if isinstance(rule, Rule)))
        for threshold in rules:
            if isinstance(threshold, Threshold):
                config = replace(config, **_changes(threshold))
        return config


def _changes(threshold: Threshold) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if threshold.for_s is not None:
        changes[f"{threshold.event.removeprefix('face_').removeprefix('expression_')}_s"] = (
            threshold.for_s
        )
    if threshold.faces is not None:
        changes["reaction_faces"] = threshold.faces
    return changes


@dataclass(slots=True)
class _Held:
    """Whether a condition holds, since when, and whether that has been said."""

    since_s: float | None = None
    said: bool = False

    def update(self, holds: bool, time_s: float, for_s: float) -> bool:
        """Whether it has now held for long enough, for the first time."""
        if not holds:
            self.since_s, self.said = None, False
            return False
        if self.since_s is None:
            self.since_s = time_s
        due = not self.said and time_s - self.since_s >= for_s
        self.said = self.said or due
        return due


@dataclass(slots=True)
class _Track:
    """What is remembered of one face."""

    first_s: float
    last_s: float
    appeared: bool = False
    candidate: str | None = None
    """The expression that it seems to have."""
    candidate_since_s: float = 0.0
    expression: str | None = None
    """The last one that was stable."""
    said_held: bool = False
    rules: list[_Held] = field(default_factory=list)


class EventDetector:
    """The events of one stream; used by one thread.

    `face_appeared`, `face_left`, `expression_changed`, `expression_held`, `reaction`, and `rule`
    for the user's own. A rule makes one event each time it begins to hold. `time_s` is the frame
    at which something is known, `since_s` when it began.

    Args:
        config: what makes an event.
    """

    def __init__(self, config: EventConfig | None = None) -> None:
        self._config = config or EventConfig()
        self._tracks: dict[int, _Track] = {}
        self._frame_rules = [_Held() for _ in self._config.rules]
        self._changes: deque[tuple[float, int, str]] = deque()
        self._stream = ""
        self._time_s = 0.0
        self._wall: str | None = None

    def update(self, result: FrameResult) -> list[StreamEvent]:
        """Takes the next frame.

        Returns:
            What is known to have happened with it, in a fixed order.
        """
        frame = result.frame
        self._stream, self._time_s, self._wall = frame.stream, frame.time_s, frame.wall
        events: list[StreamEvent] = []
        for face in sorted(result.faces, key=lambda face: face.track_id):
            track = self._tracks.get(face.track_id)
            if track is None:
                track = _Track(
                    frame.time_s, frame.time_s, rules=[_Held() for _ in self._frame_rules]
                )
                self._tracks[face.track_id] = track
            track.last_s = frame.time_s
            events += self._appearance(face, track)
            events += self._expression(face, track)
            events += self._face_rules(face, track, len(result.faces))
        events += self._reaction()
        events += self._rules_of_the_frame(len(result.faces))
        away = [
            number
            for number, track in self._tracks.items()
            if track.last_s < self._time_s and self._time_s - track.last_s >= self._config.left_s
        ]
        return events + self._departures(away)

    def end(self) -> list[StreamEvent]:
        """Takes the end of the stream, or of its connection: whoever is there leaves."""
        events = self._departures(list(self._tracks))
        self._frame_rules = [_Held() for _ in self._config.rules]
        self._changes.clear()
        return events

    def _appearance(self, face: FaceResult, track: _Track) -> list[StreamEvent]:
        if track.appeared or self._time_s - track.first_s < self._config.appeared_s:
            return []
        track.appeared = True
        return [self._event("face_appeared", track=face.track_id, since_s=track.first_s)]

    def _departures(self, gone: Sequence[int]) -> list[StreamEvent]:
        events = []
        for number in sorted(gone):
            track = self._tracks.pop(number)
            if track.appeared:
                seen = {"since_s": track.last_s, "seen_s": track.last_s - track.first_s}
                events.append(self._event("face_left", track=number, **seen))
        return events

    def _expression(self, face: FaceResult, track: _Track) -> list[StreamEvent]:
        if face.uncertain:  # no answer; the one before it stands until there is another
            track.candidate = None
            track.said_held = False
            return []
        if face.emotion != track.candidate:
            track.candidate = face.emotion
            track.candidate_since_s = self._time_s
            track.said_held = False
        lasted_s = self._time_s - track.candidate_since_s
        events = []
        known = {
            "track": face.track_id,
            "emotion": face.emotion,
            "trust": face.trust,
            "since_s": track.candidate_since_s,
        }
        if lasted_s >= self._config.changed_s and face.emotion != track.expression:
            if track.expression is not None:
                events.append(self._event("expression_changed", **known, before=track.expression))
                self._changes.append((self._time_s, face.track_id, face.emotion))
            track.expression = face.emotion
        if lasted_s >= self._config.held_s and not track.said_held:
            track.said_held = True
            events.append(self._event("expression_held", **known))
        return events

    def _reaction(self) -> list[StreamEvent]:
        while self._changes and self._time_s - self._changes[0][0] > self._config.reaction_s:
            self._changes.popleft()
        newest = {track: emotion for _, track, emotion in self._changes}
        if len(newest) < self._config.reaction_faces:
            return []
        since_s = self._changes[0][0]
        self._changes.clear()
        tracks = sorted(newest)
        emotions = [newest[track] for track in tracks]
        return [self._event("reaction", tracks=tracks, emotions=emotions, since_s=since_s)]

    def _face_rules(self, face: FaceResult, track: _Track, faces: int) -> list[StreamEvent]:
        events = []
        for rule, held in zip(self._config.rules, track.rules, strict=True):
            if not rule.condition.concerns_a_face():
                continue
            holds = rule.condition.holds(face, faces) is True
            if held.update(holds, self._time_s, rule.for_s):
                of_the_face = {"track": face.track_id, "emotion": face.emotion}
                events.append(self._rule_event(rule, held, **of_the_face, trust=face.trust))
        return events

    def _rules_of_the_frame(self, faces: int) -> list[StreamEvent]:
        events = []
        for rule, held in zip(self._config.rules, self._frame_rules, strict=True):
            if rule.condition.concerns_a_face():
                continue
            holds = rule.condition.holds(None, faces) is True
            if held.update(holds, self._time_s, rule.for_s):
                events.append(self._rule_event(rule, held, faces=faces))
        return events

    def _rule_event(self, rule: Rule, held: _Held, **details: Any) -> StreamEvent:
        return self._event("rule", name=rule.name, when=rule.text, since_s=held.since_s, **details)

    def _event(self, event: EventName, **details: Any) -> StreamEvent:
        rounded = {
            key: round(value, 6) if isinstance(value, float) else value
            for key, value in details.items()
        }
        return StreamEvent(self._stream, event, self._time_s, self._wall, rounded)
