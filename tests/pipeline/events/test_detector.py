from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from streamfer.pipeline.events.detector import EventConfig, EventDetector
from streamfer.pipeline.events.grammar import parse_rule
from streamfer.types import FaceResult, FrameResult
from tests.support.timed_results import face, film


def happened(results: Iterable[FrameResult], *rules: str) -> list[tuple[float, str, Any]]:
    """(time, event, track or tracks or name) of everything."""
    detector = EventDetector(EventConfig.from_rules([parse_rule(rule) for rule in rules]))
    events = [event for result in results for event in detector.update(result)]
    return [
        (e.time_s, e.event, e.details.get("tracks", e.details.get("track", e.details.get("faces"))))
        for e in [*events, *detector.end()]
    ]


def test_a_face_comes_and_goes_once() -> None:
    assert happened(film((1, []), (2, [face(1)]), (0.5, []), (1, [face(1)]), (3, []))) == [
        (1.3, "face_appeared", 1),
        (5.4, "face_left", 1),
    ]


def test_what_flashes_by_is_no_face() -> None:
    assert happened(film((0.2, [face(1)]), (3, []))) == []
    assert happened(film((0.2, [face(1)]), (3, [])), "face_appeared for 0 s") == [
        (0.0, "face_appeared", 1),
        (1.1, "face_left", 1),
    ]


def test_who_is_there_at_the_end_leaves() -> None:
    assert happened(film((1, [face(2), face(1)]))) == [
        (0.3, "face_appeared", 1),
        (0.3, "face_appeared", 2),
        (0.9, "face_left", 1),
        (0.9, "face_left", 2),
    ]


def changes(*scenes: tuple[float, list[FaceResult]]) -> list[tuple[float, Any, Any]]:
    detector = EventDetector()
    return [
        (event.time_s, event.details["before"], event.details["emotion"])
        for result in film(*scenes)
        for event in detector.update(result)
        if event.event == "expression_changed"
    ]


def test_an_expression_changes_once_it_is_stable() -> None:
    sad, happy, fear = face(1, "sad"), face(1, "happy"), face(1, "fear")
    assert changes((1, [sad]), (0.3, [happy]), (1, [sad]), (1, [fear])) == [(2.8, "sad", "fear")]


def test_an_uncertain_answer_changes_nothing() -> None:
    guess = face(1, "happy", trust=0.4)
    assert changes((1, [face(1, "sad")]), (2, [guess]), (1, [face(1, "sad")])) == []


def test_a_held_expression_is_said_once() -> None:
    held = [event for event in happened(film((20, [face(1)]))) if event[1] == "expression_held"]
    assert held == [(5.0, "expression_held", 1)]
    again = film((3, [face(1)]), (1, [face(1, "sad")]), (3, [face(1)]))
    times = [e[0] for e in happened(again, "expression_held for 2 s") if "held" in e[1]]
    assert times == [2.0, 6.0]


def test_several_faces_that_change_together_are_one_reaction() -> None:
    calm = [face(n, "neutral") for n in (1, 2, 3)]
    one = [face(1), *calm[1:]]
    all_three = [face(1), face(2), face(3, "surprise")]
    together = happened(film((1, calm), (0.4, one), (2, all_three)))
    assert [e for e in together if e[1] == "reaction"] == [(1.9, "reaction", [1, 2, 3])]
    three = happened(film((1, calm), (0.4, one), (2, all_three)), "reaction of 3 faces within 1 s")
    assert [e for e in three if e[1] == "reaction"] == [(1.9, "reaction", [1, 2, 3])]
    apart = happened(film((1, calm), (1.5, one), (2, [*all_three[:2], calm[2]])))
    assert [e for e in apart if e[1] == "reaction"] == []


def rule_times(*scenes: tuple[float, list[FaceResult]], rule: str) -> list[tuple[float, Any]]:
    return [(time, who) for time, name, who in happened(film(*scenes), rule) if name == "rule"]


def test_a_rule_fires_when_it_has_held_and_again_after_it_has_not() -> None:
    smile, calm = [face(1)], [face(1, "neutral")]
    times = rule_times(
        (3, smile), (1, calm), (1, smile), (1, calm), (3, smile), rule="happy > 0.8 for 2 s"
    )
    assert times == [(2.0, 1), (8.0, 1)]


@pytest.mark.parametrize("rule", ["faces >= 2", "faces >= 2 for 1 s"])
def test_a_rule_of_the_frame_fires_once_for_all_faces(rule: str) -> None:
    begin = 1.0 if "for" not in rule else 2.0
    scenes = ((1.0, [face(1)]), (2.0, [face(1), face(2)]))
    assert rule_times(*scenes, rule=rule) == [(begin, 2)]


def test_an_event_says_what_it_is_about() -> None:
    detector = EventDetector(EventConfig.from_rules([parse_rule("smile: happy > 0.8 for 1 s")]))
    events = [event for result in film((2, [face(4)])) for event in detector.update(result)]
    (rule,) = [event for event in events if event.event == "rule"]
    assert rule.to_dict() == {
        "stream": "talk",
        "event": "rule",
        "time_s": 1.0,
        "name": "smile",
        "when": "happy > 0.8 for 1 s",
        "since_s": 0.0,
        "track": 4,
        "emotion": "happy",
        "trust": 0.9,
    }


def test_what_is_remembered_does_not_grow() -> None:
    detector = EventDetector()
    for number in range(500):
        for result in film((0.1, [face(number)])):
            frame = result.frame
            object.__setattr__(frame, "time_s", float(number))
            detector.update(result)
    assert len(detector._tracks) <= 2


def test_who_is_there_does_not_leave_however_short_the_patience() -> None:
    assert happened(film((1, [face(1)]), (1, [])), "face_left for 0 s") == [
        (0.3, "face_appeared", 1),
        (1.0, "face_left", 1),
    ]
