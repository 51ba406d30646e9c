"""The small language of event rules, such as `happy > 0.8 and trust > 0.5 for 2 s`.

rule       = condition [ "for" duration ]
           | "face_appeared" | "face_left" | "expression_changed" | "expression_held",
             each with [ "for" duration ]
           | "reaction" [ "of" COUNT "faces" ] [ "within" duration ]
condition  = all { "or" all }
all        = one { "and" one }
one        = "not" one | "(" condition ")" | FIELD OPERATOR value
value      = NUMBER | LABEL                      (a label where FIELD is `emotion`)
duration   = NUMBER ( "s" | "ms" | "min" )
OPERATOR   = ">" | ">=" | "<" | "<=" | "==" | "!="
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn

from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.pipeline.events.conditions import (
    FACE_COUNT,
    OPERATORS,
    PLAIN_FIELDS,
    AllOf,
    AnyOf,
    Comparison,
    Condition,
    Not,
)

BUILT_IN = ("face_appeared", "face_left", "expression_changed", "expression_held", "reaction")
"""Events that need no rule."""

_TOKEN = re.compile(r"\s*(?:(-?(?:\d+(?:\.\d*)?|\.\d+))|([A-Za-z_][\w-]*)|(>=|<=|==|!=|[<>()]))")
_UNITS_S = {"s": 1.0, "ms": 0.001, "min": 60.0}
_NAMED = re.compile(r"\s*([A-Za-z_][\w-]*)\s*:\s*(?=\S)")


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that makes an event once it has held for a while."""

    name: str
    """What its events are called; the rule itself where the user gave none."""
    text: str
    """As the user wrote it."""
    condition: Condition
    for_s: float
    """Media time that it must hold, in seconds."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """Another threshold for one of the events that need no rule."""

    event: str
    for_s: float | None = None
    """Media time in seconds; None leaves it."""
    faces: int | None = None
    """Of `reaction`; None leaves it."""


def parse_rule(text: str, fields: Collection[str] = ()) -> Rule | Threshold:
    """Reads one rule, with a name before it or without: `smile: happy > 0.8 for 2 s`.

    Args:
        text: the rule.
        fields: names of numbers that the heads answer, which a rule may use too.

    Raises:
        ConfigError: it is none; the message says where and what is expected there.
    """
    named = _NAMED.match(text)
    begin = named.end() if named else 0
    parser = _Parser(text, begin, (*PLAIN_FIELDS, *fields))
    if parser.word in BUILT_IN:
        return parser.threshold()
    try:
        condition, for_s = parser.rule()
    except RecursionError as error:
        raise ConfigError(f"--event {text[:40]!r}…: nested too deeply") from error
    rule = text[begin:].strip()
    return Rule(named.group(1) if named else rule, rule, condition, for_s)


class _Parser:
    """Goes through a rule, a token at a time."""

    def __init__(self, text: str, place: int, fields: Collection[str]) -> None:
        self._text = text
        self._fields = fields
        self._end = place
        self._advance()

    def rule(self) -> tuple[Condition, float]:
        condition = self._condition()
        for_s = self._duration() if self._take("for") else 0.0
        self._finish("and, or, or for")
        return condition, for_s

    def threshold(self) -> Threshold:
        event = self.word
        self._advance()
        faces = for_s = None
        if event == "reaction":
            if self._take("of"):
                faces = self._count()
            if self._take("within"):
                for_s = self._duration()
            self._finish("of, or within")
        else:
            if self._take("for"):
                for_s = self._duration()
            self._finish("for")
        return Threshold(event, for_s, faces)

    def _condition(self) -> Condition:
        parts = [self._all()]
        while self._take("or"):
            parts.append(self._all())
        return AnyOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _all(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return AllOf(tuple(parts)) if len(parts) > 1 else parts[0]

    def _one(self) -> Condition:
        if self._take("not"):
            return Not(self._one())
        if self._take("("):
            inside = self._condition()
            if not self._take(")"):
                self._refuse("expected )")
            return inside
        field = self.word
        if field not in self._fields:
            close = difflib.get_close_matches(field, self._fields, n=1)
            known = f"did you mean {close[0]}?" if close else f"known: {', '.join(self._fields)}"
            self._refuse(f"expected what to compare; {known}")
        self._advance()
        operator = self.word
        if operator not in OPERATORS:
            self._refuse(f"expected one of {' '.join(OPERATORS)}")
        if field == "emotion" and operator not in ("==", "!="):
            self._refuse("expected == or != after emotion")
        self._advance()
        return Comparison(field, operator, self._label() if field == "emotion" else self._number())

    def _number(self) -> float:
        if not self._is_number:
            self._refuse("expected a number")
        value = float(self.word)
        self._advance()
        return value

    def _label(self) -> str:
        label = self.word
        if label not in LABELS:
            self._refuse(f"expected one of {', '.join(LABELS)}")
        self._advance()
        return label

    def _count(self) -> int:
        if not (self.word.isdecimal() and int(self.word) >= 2):
            self._refuse("expected a number of faces, 2 or more")
        count = int(self.word)
        self._advance()
        if not self._take(FACE_COUNT):
            self._refuse("expected faces")
        return count

    def _duration(self) -> float:
        if self.word.startswith("-"):
            self._refuse("expected a time of 0 or more")
        value = self._number()
        unit = _UNITS_S.get(self.word)
        if unit is None:
            self._refuse(f"expected a unit, {', '.join(_UNITS_S)}")
        self._advance()
        return value * unit

    def _take(self, word: str) -> bool:
        """Goes past this word, if it is the one that comes."""
        if self.word != word:
            return False
        self._advance()
        return True

    def _advance(self) -> None:
        found = _TOKEN.match(self._text, self._end)
        rest = self._text[self._end :]
        self._begin = self._end + len(rest) - len(rest.lstrip())
        if found is None:
            self.word, self._is_number = "", False
            if rest.strip():
                self._refuse("not understood")
            return
        self.word = found.group().strip()
        self._is_number = found.group(1) is not None
        self._end = found.end()

    def _finish(self, expected: str) -> None:
        if self.word:
            self._refuse(f"expected {expected}, or the end")

    def _refuse(self, expected: str) -> NoReturn:
        rest = self._text[self._begin :].strip()
        where = f"at {rest!r} (character {self._begin + 1})" if rest else "at its end"
        raise ConfigError(f"--event {self._text!r}: {where}: {expected}")
