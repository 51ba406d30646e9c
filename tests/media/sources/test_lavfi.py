from __future__ import annotations

import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.lavfi import LavfiSource
from streamfer.media.sources.playback import PlaybackOptions

GRAPH = "testsrc=size=64x48:rate=10:duration=1"


def test_a_finite_graph_is_played_to_its_end_like_a_file() -> None:
    source = LavfiSource(GRAPH, "test")
    info = source.open()
    frames = list(source.frames())
    source.close()
    assert not source.live
    assert (info.source, info.width, info.height, info.frame_rate) == (f"lavfi:{GRAPH}", 64, 48, 10)
    assert [frame.index for frame in frames] == list(range(10))
    assert frames[9].time_s == pytest.approx(0.9)
    assert frames[0].picture.to_rgb().shape == (48, 64, 3)


def test_rounds_start_and_duration_are_those_of_files() -> None:
    source = LavfiSource(GRAPH, "test", PlaybackOptions(start_s=0.2, duration_s=0.3, loop=2))
    source.open()
    frames = list(source.frames())
    source.close()
    assert [round(frame.time_s, 3) for frame in frames] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert [frame.index for frame in frames] == [2, 3, 4, 5, 6, 7]


def test_an_endless_graph_ends_when_interrupted() -> None:
    source = LavfiSource("testsrc2=size=64x48", "test")
    source.open()
    seen = 0
    for _ in source.frames():
        seen += 1
        source.interrupt()
    source.close()
    assert seen == 1


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ("nosuchfilter", "^lavfi:nosuchfilter: Filter not found$"),
        ("sine=duration=1", "gives no video"),
        ("movie=rtsp\\\\://u\\\\:hunter2@127.0.0.1", "lavfi:movie"),
        ("movie=http://u:hunter2@127.0.0.1", r"lavfi:movie=http://\*\*\*@127"),
    ],
)
def test_a_bad_graph_is_told_in_one_line(graph: str, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        LavfiSource(graph, "test").open()
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_frames_need_an_open_graph() -> None:
    with pytest.raises(SourceError, match="not open"):
        next(LavfiSource(GRAPH, "test").frames())
