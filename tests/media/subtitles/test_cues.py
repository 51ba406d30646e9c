from __future__ import annotations

from collections.abc import Sequence

import pytest

from streamfer.media.subtitles.cues import Cue, CueBuilder, CueConfig
from tests.support.timelines import frame


def cues_of(pattern: Sequence[str], track: int = 1, rate: float = 25.0) -> list[Cue]:
    """Cues of one face that shows what `pattern` says in each frame; "" where it is away."""
    builder = CueBuilder()
    cues = []
    for index, emotion in enumerate(pattern):
        cues += builder.add(frame(index, [(track, emotion)] if emotion else [], rate))
    return cues + builder.finish()


def spans(pattern: Sequence[str]) -> list[tuple[str, float, float]]:
    return [(cue.emotion, round(cue.start_s, 3), round(cue.end_s, 3)) for cue in cues_of(pattern)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (["happy"] * 50, [("happy", 0.0, 2.0)]),
        (["happy"] * 25 + ["sad"] * 25, [("happy", 0.0, 1.0), ("sad", 1.0, 2.0)]),
        (["happy"] * 25 + ["sad"] * 5 + ["happy"] * 25, [("happy", 0.0, 2.2)]),
        (["happy"] * 5, []),
        (["happy"], []),
        (["sad"] * 5 + ["happy"] * 45, [("happy", 0.2, 2.0)]),
        (["happy"] * 25 + ["sad"] * 5, [("happy", 0.0, 1.2)]),
        (["happy?"] * 50, []),
        (["happy"] * 25 + ["sad?"] * 25, [("happy", 0.0, 1.0)]),
        (["happy"] * 25 + ["happy?"] * 5 + ["happy"] * 20, [("happy", 0.0, 2.0)]),
        (["happy"] * 25 + [""] * 5 + ["happy"] * 20, [("happy", 0.0, 2.0)]),
        (["happy"] * 25 + [""] * 25 + ["happy"] * 25, [("happy", 0.0, 1.0), ("happy", 2.0, 3.0)]),
        (["happy", "sad"] * 40, []),
        ([""] * 20, []),
        ([], []),
    ],
)
def test_a_cue_stands_for_every_expression_that_stays(
    pattern: list[str], expected: list[tuple[str, float, float]]
) -> None:
    assert spans(pattern) == expected


def test_cues_come_as_soon_as_they_end() -> None:
    builder = CueBuilder()
    pattern = ["happy"] * 25 + ["sad"] * 25
    ended = [len(builder.add(frame(i, [(1, emotion)]))) for i, emotion in enumerate(pattern)]
    assert sum(ended) == 1
    assert ended.index(1) == 38  # half a second of sad


def test_faces_are_told_apart_and_placed() -> None:
    builder = CueBuilder()
    cues = []
    for index in range(50):
        cues += builder.add(frame(index, [(1, "happy"), (4, "sad" if index < 25 else "neutral")]))
    cues += builder.finish()
    assert {(cue.track, cue.emotion) for cue in cues} == {(1, "happy"), (4, "sad"), (4, "neutral")}
    assert {cue.box_xyxy for cue in cues if cue.track == 4} == {(400.0, 80.0, 460.0, 140.0)}


def test_how_long_is_stable_can_be_set() -> None:
    builder = CueBuilder(CueConfig(stable_s=0.1))
    for index in range(5):
        builder.add(frame(index, [(1, "happy")]))
    assert len(builder.finish()) == 1


def test_records_without_trust_are_believed() -> None:
    builder = CueBuilder()
    for index in range(25):
        record = frame(index, [(1, "happy")])
        del record["faces"][0]["trust"]
        builder.add(record)
    assert len(builder.finish()) == 1
