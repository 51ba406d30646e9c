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


def test_streams_change_over_together_whenever_they_joined() -> None:
    segments = Segments(10.0)
    steps = [
        frame("a", 0, 0.0), frame("a", 1, 6.0), frame("b", 0, 0.0),
        frame("b", 1, 5.0), frame("a", 2, 7.0), frame("b", 2, 8.0),
    ]  # fmt: skip
    assert numbers(segments, *steps) == [0, 0, 0, 1, 1, 1]


def test_record_and_picture_of_a_frame_stay_together() -> None:
    segments = Segments(10.0)
    late = frame("b", 0, 0.0)
    with segments.recording(late) as must_roll:
        assert not must_roll
    for index, time_s in enumerate((0.0, 30.0)):
        with segments.recording(frame("a", index, time_s)) as must_roll:
            assert must_roll == (index == 1)
    assert segments.number(late) == 0
    with segments.recording(frame("b", 1, 0.1)) as must_roll:
        assert not must_roll  # the records have rolled already
    assert segments.number(frame("b", 1, 0.1)) == 1


def test_no_other_stream_settles_while_a_record_is_written() -> None:
    segments = Segments(10.0)
    settled = threading.Event()
    other = threading.Thread(
        target=lambda: (segments.number(frame("a", 1, 60.0)), settled.set()),
    )
    segments.number(frame("a", 0, 0.0))
    with segments.recording(frame("b", 0, 0.0)):
        other.start()
        assert not settled.wait(0.05)
    other.join()
    assert segments.number(frame("b", 0, 0.0)) == 0


def test_rolling_and_skipping_exclude_each_other() -> None:
    with pytest.raises(ConfigError, match="--skip-existing"):
        RunConfig(segment=60.0, skip_existing=True)
