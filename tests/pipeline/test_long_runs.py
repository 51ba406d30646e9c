from __future__ import annotations

import pytest

from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.types import FrameResult
from tests.support.live import FakeClock
from tests.support.results import face_result
from tests.support.sources import pending, stream_info


@pytest.mark.parametrize(("live", "first", "kept"), [(True, 301, 200), (False, 1, 500)])
def test_a_live_stream_keeps_its_newest_tracks_only(live: bool, first: int, kept: int) -> None:
    statistics = RunStatistics(FakeClock(), "openvino", "cpu")
    statistics.add_stream(stream_info("cam", live))
    for number in range(1, 501):
        frame = pending(number).to_frame("cam", 0)
        statistics.analysed(FrameResult(frame, (face_result(number),)))
    stream = statistics.snapshot().streams[0]
    assert stream.faces == 500
    assert len(stream.tracks) == kept
    assert stream.tracks[0].track_id == first


def test_who_is_there_all_day_is_not_forgotten_for_those_who_pass() -> None:
    statistics = RunStatistics(FakeClock(), "openvino", "cpu")
    statistics.add_stream(stream_info("cam", live=True))
    for number in range(2, 502):
        frame = pending(number).to_frame("cam", 0)
        statistics.analysed(FrameResult(frame, (face_result(1), face_result(number))))
    stays = statistics.snapshot().streams[0].tracks[0]
    assert (stays.track_id, stays.frames) == (1, 500)
