from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import FrameResult
from tests.support.results import face_result
from tests.support.sources import pending, stream_info


class HandClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def feed(statistics: RunStatistics, clock: HandClock, index: int, faces: int = 1) -> None:
    frame = pending(index, clock).to_frame("talk", dropped=0)
    statistics.decoded("talk")
    clock.now_s += 0.02
    emotion = "happy" if index % 4 else "sad"
    statistics.analysed(
        FrameResult(frame, tuple(face_result(n + 1, emotion) for n in range(faces)))
    )
    clock.now_s += 0.02
    statistics.written("talk", 0.5)


def make() -> tuple[RunStatistics, HandClock]:
    clock = HandClock()
    statistics = RunStatistics(clock, "openvino", "cpu")
    statistics.add_stream(stream_info("talk"))
    return statistics, clock


def test_rate_spans_from_the_first_decoded_frame_to_the_last_output() -> None:
    statistics, clock = make()
    clock.now_s = 100.0  # engine building
    for index in range(100):
        feed(statistics, clock, index)
    clock.now_s += 50  # nothing more happens
    snapshot = statistics.snapshot()
    assert snapshot.seconds == pytest.approx(4.0)
    assert snapshot.fps == pytest.approx(25.0)
    assert (snapshot.frames, snapshot.faces) == (100, 100)


def test_latency_is_decode_to_result() -> None:
    statistics, clock = make()
    for index in range(10):
        feed(statistics, clock, index)
    latency = statistics.snapshot().latency_ms
    assert latency is not None
    assert latency.p50 == pytest.approx(20.0)
    assert latency.p99 == pytest.approx(20.0)


def test_tracks_are_summed_up() -> None:
    statistics, clock = make()
    for index in range(8):
        feed(statistics, clock, index, faces=2)
    first, second = statistics.snapshot().streams[0].tracks
    assert (first.track_id, second.track_id) == (1, 2)
    assert (first.first_s, first.last_s, first.frames) == (0.0, pytest.approx(7 / 25), 8)
    np.testing.assert_allclose(first.share, [0, 0, 0, 0.75, 0.25, 0, 0])


@pytest.mark.parametrize(("trust", "shown"), [(None, "happy"), (0.6, "happy"), (0.4, None)])
def test_an_uncertain_answer_is_not_shown(trust: float | None, shown: str | None) -> None:
    statistics, clock = make()
    frame = pending(0, clock).to_frame("talk", dropped=0)
    statistics.analysed(FrameResult(frame, (replace(face_result(7), trust=trust),)))
    (face,) = statistics.snapshot().streams[0].current
    assert (face.track_id, face.emotion) == (7, shown)
    assert face.share == pytest.approx(0.7)


def test_states_and_reconnects() -> None:
    statistics, _ = make()
    statistics.set_state("talk", "reconnecting", "camera is silent")
    statistics.set_state("talk", "reconnecting", "camera is silent")
    statistics.set_state("talk", "live")
    statistics.set_state("talk", "reconnecting")
    stream = statistics.snapshot().streams[0]
    assert (stream.state, stream.reconnects) == ("reconnecting", 2)


def test_what_is_known_of_a_stream_can_grow() -> None:
    statistics, clock = make()
    feed(statistics, clock, 0)
    statistics.add_stream(stream_info("talk", live=True))
    stream = statistics.snapshot().streams[0]
    assert stream.info.live
    assert stream.frames == 1


def test_drops_at_the_end_count() -> None:
    statistics, _ = make()
    statistics.dropped_at_end("talk", 3)
    assert statistics.snapshot().dropped == 3


def test_the_strip_shows_the_newest_latency() -> None:
    statistics, clock = make()
    assert statistics.strip_figures("talk").latency_ms is None
    feed(statistics, clock, 0)
    assert statistics.strip_figures("talk").latency_ms == pytest.approx(20.0)


def test_a_stream_that_was_ended_early_says_so() -> None:
    statistics, clock = make()
    feed(statistics, clock, 0)
    statistics.ended("talk", interrupted=True)
    assert statistics.snapshot().streams[0].state == "interrupted"


@pytest.mark.parametrize(("live", "state"), [(True, "failed"), (False, "done")])
def test_a_live_stream_without_a_picture_has_failed(live: bool, state: str) -> None:
    statistics, _ = make()
    statistics.add_stream(stream_info("talk", live=live))
    statistics.ended("talk")
    assert statistics.snapshot().streams[0].state == state
