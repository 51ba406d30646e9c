from __future__ import annotations

import dataclasses
import threading

import pytest

from streamfer.app.config import RunConfig
from streamfer.app.session.segments import Segments
from streamfer.errors import ConfigError
from streamfer.types import Frame
from tests.support.sources import pending


def frame(stream: str, index: int, time_s: float) -> Frame:
    return dataclasses.replace(pending(index).to_frame(stream, 0), time_s=time_s)


def numbers(segments: Segments, *frames: Frame) -> list[int]:
    return [segments.number(each) for each in frames]


def test_a_segment_ends_with_its_time() -> None:
    frames = [frame("cam", i, i * 4.0) for i in range(7)]  # 0 to 24 s
    assert numbers(Segments(10.0), *frames) == [0, 0, 0, 1, 1, 2, 2]


def test_without_a_length_there_is_one_segment() -> None:
    assert numbers(Segments(), *(frame("cam", i, i * 1e6) for i in range(3))) == [0, 0, 0]


def test_a_long_gap_makes_no_empty_segments() -> None:
    frames = [frame("cam", 0, 0.0), frame("cam", 1, 95.0), frame("cam", 2, 99.0)]
    assert numbers(Segments(10.0), *frames, frame("cam", 3, 101.0)) == [0, 1, 1, 2]


def test_each_stream_changes_over_by_its_own_clock() -> None:
    segments = Segments(10.0)
    steps = [
        frame("a", 0, 0.0), frame("a", 1, 6.0), frame("b", 0, 0.0),
        frame("b", 1, 9.0), frame("a", 2, 10.0), frame("b", 2, 10.0),
    ]  # fmt: skip
    assert numbers(segments, *steps) == [0, 0, 0, 0, 1, 1]


def test_a_clip_played_from_later_has_whole_segments() -> None:
    frames = [frame("talk", i, 105.0 + i) for i in range(11)]
    assert numbers(Segments(10.0), *frames) == [0] * 10 + [1]


def rolls(segments: Segments, *frames: Frame) -> list[bool]:
    found = []
    for each in frames:
        with segments.recording(each) as must_roll:
            found.append(must_roll)
    return found


def test_shared_records_go_by_the_stream_that_is_furthest() -> None:
    steps = [
        frame("a", 0, 0.0), frame("a", 1, 6.0), frame("b", 0, 0.0),
        frame("b", 1, 5.0), frame("a", 2, 11.0), frame("b", 2, 6.0),
    ]  # fmt: skip
    assert rolls(Segments(10.0), *steps) == [False, False, False, True, False, False]


def test_record_and_picture_of_a_frame_of_one_stream_stay_together() -> None:
    segments = Segments(10.0)
    frames = [frame("a", i, 3.0 + i * 3.7) for i in range(12)]
    records = [sum(rolls(segments, each)) for each in frames]
    pictures = numbers(segments, *frames)
    assert [sum(records[: i + 1]) for i in range(12)] == pictures


def test_no_other_stream_rolls_the_records_while_one_is_written() -> None:
    segments = Segments(10.0)
    rolled = threading.Event()

    def roll() -> None:
        with segments.recording(frame("a", 1, 60.0)):
            rolled.set()

    other = threading.Thread(target=roll)
    with segments.recording(frame("b", 0, 0.0)):
        other.start()
        assert not rolled.wait(0.05)
    other.join()
    assert rolled.is_set()


def test_rolling_and_skipping_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="--skip-existing"):
        RunConfig(segment=60.0, skip_existing=True)


def test_an_output_that_is_a_few_frames_behind_begins_at_the_same_frame() -> None:
    segments = Segments(1.0)
    frames = [frame("cam", index, index / 2) for index in range(6)]
    ahead = numbers(segments, *frames)
    assert ahead == [0, 0, 1, 1, 2, 2]
    assert numbers(segments, *frames) == ahead
    assert numbers(segments, *(frame("cam", i, i / 2) for i in range(6, 500)))[-1] == 249
