from __future__ import annotations

from dataclasses import replace

import pytest

from streamfer.errors import ConfigError
from streamfer.pipeline.events.grammar import Rule, Threshold, parse_rule
from tests.support.timed_results import face


@pytest.mark.parametrize(
    ("text", "happy", "sad"),
    [
        ("happy > 0.8", True, False),
        ("happy>=0.9", False, False),  # 0.9 in float32 is a little less
        ("happy < .5 or sad < .5", True, True),
        ("happy > 0.8 and trust > 0.95", False, False),
        ("not happy > 0.8", False, True),
        ("not (happy > 0.8 or sad > 0.8)", False, False),
        ("emotion == sad", False, True),
        ("emotion != sad", True, False),
        ("faces >= 2 and happy > 0.5", True, False),
        ("sad > 0.8 or happy > 0.8 and faces < 2", False, True),  # and binds closer
        ("not faces == 1", True, True),
        ("happy > -0.5 and sad > -.5", True, True),
        ("happy < -1", False, False),
    ],
)
def test_conditions_are_asked_of_a_face(text: str, happy: bool, sad: bool) -> None:
    rule = parse_rule(text)
    assert isinstance(rule, Rule)
    assert rule.condition.holds(face(1, "happy", top=0.89999), 2) is happy
    assert rule.condition.holds(face(2, "sad"), 2) is sad


def test_what_has_not_been_computed_is_neither_true_nor_false() -> None:
    unknown = face(1, trust=None)
    for text, held in [
        ("trust > 0.5", None),
        ("not trust > 0.5", None),
        ("trust > 0.5 or happy > 0.5", True),
        ("trust > 0.5 and happy > 0.95", False),
        ("trust > 0.5 and happy > 0.5", None),
    ]:
        rule = parse_rule(text)
        assert isinstance(rule, Rule)
        assert rule.condition.holds(unknown, 1) is held


def test_a_rule_has_a_name_and_a_duration() -> None:
    rule = parse_rule("big-smile : happy > 0.8 for 2 s")
    assert isinstance(rule, Rule)
    assert (rule.name, rule.text, rule.for_s) == ("big-smile", "happy > 0.8 for 2 s", 2.0)
    short = parse_rule("happy > 0.8 for 250 ms")
    assert isinstance(short, Rule)
    assert (short.name, short.for_s) == ("happy > 0.8 for 250 ms", 0.25)


def test_a_rule_may_use_what_the_heads_answer() -> None:
    rule = parse_rule("yaw > 20 for 1 min", ["yaw"])
    assert isinstance(rule, Rule)
    assert rule.for_s == 60
    assert rule.condition.holds(replace(face(1), extra={"yaw": 25.0}), 1) is True
    assert rule.condition.holds(face(1), 1) is None
    with pytest.raises(ConfigError, match="at 'yaw > 20' "):
        parse_rule("yaw > 20")


@pytest.mark.parametrize(
    ("text", "threshold"),
    [
        ("face_appeared for 2 s", Threshold("face_appeared", 2.0)),
        ("expression_held for 1 min", Threshold("expression_held", 60.0)),
        ("reaction of 3 faces within 500 ms", Threshold("reaction", 0.5, 3)),
        ("reaction within 2 s", Threshold("reaction", 2.0)),
    ],
)
def test_thresholds_of_built_in_events(text: str, threshold: Threshold) -> None:
    assert parse_rule(text) == threshold


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at its end: expected what to compare"),
        ("happi > 0.8", r"at 'happi > 0.8' \(character 1\): .*did you mean happy"),
        ("smile: happi > 1", r"at 'happi > 1' \(character 8\)"),
        ("happy 0.8", r"at '0.8' \(character 7\): expected one of > >="),
        ("happy > for 2 s", r"at 'for 2 s' \(character 9\): expected a number"),
        ("happy > 0.8 for", "at its end: expected a number"),
        ("happy > 0.8 for 2", "at its end: expected a unit, s, ms, min"),
        ("happy > 0.8 for 2 hours", "at 'hours' .*expected a unit"),
        ("(happy > 0.8", r"at its end: expected \)"),
        ("happy > 0.8 sad > 0.1", r"at 'sad > 0.1' \(character 13\): expected and, or"),
        ("happy > 0.8 & sad > 0.1", r"at '& sad > 0.1' \(character 13\): not understood"),
        ("emotion > sad", "expected == or !="),
        ("emotion == glad", "at 'glad' .*expected one of angry"),
        ("reaction of 1 faces", "at '1 faces' .*2 or more"),
        ("face_left within 2 s", "at 'within 2 s' .*expected for"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        parse_rule(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("deep", ["(" * 9999, "not " * 9999 + "happy > 1"])
def test_a_rule_that_is_nested_too_deeply_is_refused(deep: str) -> None:
    with pytest.raises(ConfigError, match="nested too deeply"):
        parse_rule(deep)
