from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from streamfer.errors import ConfigError, SourceError
from streamfer.labels import LABELS
from streamfer.media.records.reader import read_records
from streamfer.media.subtitles.timeline import read_timeline
from streamfer.media.subtitles.wording import Wording
from tests.support.timelines import HEADER, frame, timeline, write_records

FRAMES = [frame(index, [(1, "happy")]) for index in range(50)]


def test_a_timeline_knows_its_stream(tmp_path: Path) -> None:
    made = read_timeline(read_records(write_records(tmp_path / "r.jsonl", FRAMES)))
    assert (made.stream, made.source, made.size_wh) == ("talk", "talk.mp4", (640, 360))
    assert made.frame_rate == 25
    assert made.duration_s == pytest.approx(2.0)
    assert [cue.emotion for cue in made.cues] == ["happy"]


@pytest.mark.parametrize(
    "rate", [Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 30, Fraction(12), Fraction(3)]
)
def test_the_frame_rate_follows_from_the_times(tmp_path: Path, rate: Fraction) -> None:
    frames = [frame(index, [], float(rate)) for index in range(0, 3000, 7)]
    made = read_timeline(read_records(write_records(tmp_path / "r.jsonl", frames)))
    assert made.frame_rate == pytest.approx(float(rate), rel=1e-5)


def test_an_empty_stream_is_an_empty_timeline(tmp_path: Path) -> None:
    made = read_timeline(read_records(write_records(tmp_path / "r.jsonl", [])))
    assert made.cues == ()
    assert made.tracks == ()


def test_of_several_streams_one_must_be_named(tmp_path: Path) -> None:
    (talk,) = HEADER["streams"]
    both = [talk, talk | {"stream": "cam"}]  # type: ignore[operator]
    records = read_records(write_records(tmp_path / "r.jsonl", FRAMES, streams=both))
    assert len(read_timeline(records, "talk").cues) == 1
    assert read_timeline(records, "cam").cues == ()
    with pytest.raises(ConfigError, match="2 streams, talk, cam; name one with --stream"):
        read_timeline(records)
    with pytest.raises(ConfigError, match="none is called 'x'"):
        read_timeline(records, "x")


def test_a_cameras_size_comes_from_its_opening(tmp_path: Path) -> None:
    (talk,) = HEADER["streams"]
    camera = talk | {"width": None, "height": None}  # type: ignore[operator]
    opened = {"stream": "talk", "event": "opened", "time_s": 0.0, "width": 1280, "height": 720}
    path = write_records(tmp_path / "r.jsonl", [opened, *FRAMES], streams=[camera])
    assert read_timeline(read_records(path)).size_wh == (1280, 720)
    path = write_records(tmp_path / "r.jsonl", FRAMES, streams=[camera])
    assert read_timeline(read_records(path)).size_wh == (640, 360)


@pytest.mark.parametrize("field", ["time_s", "frame"])
def test_records_that_lack_what_it_takes_are_one_line(tmp_path: Path, field: str) -> None:
    broken = frame(0, [(1, "happy")])
    del broken[field]
    records = read_records(write_records(tmp_path / "r.jsonl", [broken]))
    with pytest.raises(SourceError, match=rf"talk: a record of it lacks .*{field}"):
        read_timeline(records)


def test_who_is_said_where_there_are_several_or_one_has_a_name() -> None:
    several = timeline()
    assert several.text(several.cues[0]) == "Person 1: happy"
    alone = timeline(several.cues[0])
    assert alone.text(alone.cues[0]) == "happy"
    named = timeline(several.cues[0], wording=Wording("fr", {1: "Anna"}))
    assert named.text(named.cues[0]) == "Anna\u202f: joie"


@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "ja", "zh"])
def test_every_language_has_seven_different_words(language: str) -> None:
    wording = Wording(language)  # type: ignore[arg-type]
    assert len({wording.label(label) for label in LABELS}) == 7
    assert "7" in wording.says(7, "happy")
    assert wording.label("bored") == "bored"
