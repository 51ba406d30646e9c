from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from streamfer.errors import ConfigError, EngineError
from streamfer.fields import FieldSpec
from streamfer.types import FaceResult, UInt8Array
from streamfer.vision.heads.head import check_heads, read_heads
from streamfer.vision.heads.registry import HEADS, chosen_heads
from tests.support.results import face_result


class FixedHead:
    """Answers the same for every face."""

    def __init__(self, name: str, answer: Mapping[str, Any], *fields: FieldSpec) -> None:
        self.name = name
        self.fields = fields
        self._answer = answer

    def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, Any]]:
        return [self._answer for _ in faces]


def fixed(name: str, field: str, value: object = 1.0) -> FixedHead:
    return FixedHead(name, {field: value}, FieldSpec(field))


CROPS: UInt8Array = np.zeros((2, 64, 64), np.uint8)
FACES = [face_result(1), face_result(2)]


def test_answers_become_plain_numbers_and_what_is_missing_null() -> None:
    head = FixedHead(
        "many",
        {
            "share": np.float32(0.1),
            "lost": float("nan"),
            "count": np.int64(3),
            "place": np.array([1.0, 2.0], np.float32),
            "seen": np.True_,
        },
        FieldSpec("share", digits=3),
        FieldSpec("lost"),
        FieldSpec("count", "integer"),
        FieldSpec("place", "numbers", ("place_x", "place_y")),
        FieldSpec("seen", "flag"),
        FieldSpec("never", "text"),
    )
    for face in read_heads([head], CROPS, FACES):
        assert face.extra == {
            "share": 0.1,
            "lost": None,
            "count": 3,
            "place": [1.0, 2.0],
            "seen": True,
            "never": None,
        }
        assert {name: face.to_dict()[name] for name in face.extra} == face.extra


def test_a_head_sees_what_those_before_it_said() -> None:
    class Double:
        name = "double"
        fields = (FieldSpec("twice"),)

        def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[dict[str, Any]]:
            return [{"twice": 2 * float(face.extra["once"])} for face in faces]  # type: ignore[arg-type]

    (first, _) = read_heads([fixed("single", "once", 4), Double()], CROPS, FACES)
    assert first.extra == {"once": 4.0, "twice": 8.0}


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (FixedHead("odd", {"b": 1}, FieldSpec("a")), "head odd: answers b, which it does not"),
        (FixedHead("odd", {"a": "x"}, FieldSpec("a")), "head odd: could not convert string"),
    ],
)
def test_an_answer_that_is_not_as_declared_is_one_line(head: FixedHead, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        read_heads([head], CROPS, FACES)


def test_an_answer_for_every_face_is_asked_for() -> None:
    class Lazy(FixedHead):
        def read(self, crops: UInt8Array, faces: Sequence[FaceResult]) -> list[Mapping[str, Any]]:
            return []

    with pytest.raises(EngineError, match="head lazy: 0 answers for 2 faces"):
        read_heads([Lazy("lazy", {})], CROPS, FACES)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        ([fixed("a", "x"), fixed("a", "y")], "head a: there are two of that name"),
        ([fixed("a", "x"), fixed("b", "x")], "field x: the name x is taken"),
        ([fixed("a", "trust")], "field trust: the name trust is taken"),
        ([fixed("a", "frame")], "field frame: the name frame is taken"),
        ([fixed("a", "faces")], "field faces: the name faces is taken"),
        ([fixed("a", "prob_happy")], "the name prob_happy is taken"),
    ],
)
def test_heads_that_cannot_go_together_are_refused(heads: list[FixedHead], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_heads(heads)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FieldSpec("Yaw"), "names are lower-case"),
        (lambda: FieldSpec("yaw", "angle"), "kind 'angle' is none of integer"),  # type: ignore[arg-type]
        (lambda: FieldSpec("yaw", "numbers"), "columns are for numbers and points"),
        (lambda: FieldSpec("yaw", "number", ("a",)), "columns are for numbers and points"),
    ],
)
def test_a_field_that_cannot_be_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_heads_are_chosen_by_name() -> None:
    assert [head.name for head in chosen_heads("all")] == list(HEADS)
    assert chosen_heads("none") == ()
    own = fixed("mine", "brightness")
    assert [head.name for head in chosen_heads("valence, pose", [own])] == [
        "valence",
        "pose",
        "mine",
    ]
    with pytest.raises(ConfigError, match=r"--heads: .*got 'poses'; did you mean 'pose'\?"):
        chosen_heads("poses")
