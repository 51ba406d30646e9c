from __future__ import annotations

import time
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from streamfer.app.session.annotated_picture import AnnotatedPicture
from streamfer.app.session.sinks import (
    LatentSink,
    SnapshotSink,
    WindowSink,
)
from streamfer.app.terminal.feed import WindowFeed, save_picture
from streamfer.errors import OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.latents import LatentWriter
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FaceResult, FrameResult, StreamEvent, UInt8Array
from streamfer.vision.overlay.drawing import Rect
from streamfer.vision.overlay.overlay import Overlay, StripInfo
from tests.support.analysed import make_face, make_frame
from tests.support.results import face_result
from tests.support.sources import pending, stream_info


def make_picture() -> AnnotatedPicture:
    statistics = RunStatistics(time.monotonic, "fake", "cpu")
    statistics.add_stream(stream_info("talk"))
    return AnnotatedPicture(Overlay(), statistics, StageTimes())


def result(index: int = 0) -> FrameResult:
    frame = pending(index).to_frame("talk", 0)
    object.__setattr__(frame, "image", np.full((240, 320, 3), 90, dtype=np.uint8))
    return FrameResult(frame, (face_result(),))


def test_the_overlay_is_drawn_once_for_all_sinks() -> None:
    picture, shown = make_picture(), result()
    first = picture.draw(shown).image.copy()
    assert (first != 90).any()
    np.testing.assert_array_equal(picture.draw(shown).image, first)
    assert picture.draw(shown).image is shown.frame.image


def test_of_several_pictures_each_is_drawn_once_for_all_sinks() -> None:
    picture, shown = make_picture(), [result(index) for index in range(4)]
    first = [picture.draw(each) for each in shown]
    assert all(picture.draw(each) is drawn for each, drawn in zip(shown, first, strict=True))


def test_a_drawing_goes_with_its_result_and_of_kept_ones_only_the_last_stay() -> None:
    picture, shown = make_picture(), result()
    image = weakref.ref(picture.draw(shown).image)
    del shown
    assert image() is None
    kept = [result(index) for index in range(6)]
    first = [picture.draw(each) for each in kept]
    assert all(picture.draw(each) is drawn for each, drawn in zip(kept[2:], first[2:], strict=True))


class _Strips(Overlay):
    """Notes what strips say."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[StripInfo] = []

    def draw(
        self, image: UInt8Array, faces: Sequence[FaceResult], strip: StripInfo
    ) -> tuple[Rect, ...]:
        self.said.append(strip)
        return super().draw(image, faces, strip)


def test_rate_and_latency_stay_half_a_second_and_drops_are_shown_at_once() -> None:
    now, overlay = [0.0], _Strips()
    statistics = RunStatistics(lambda: now[0], "fake", "cpu")
    statistics.add_stream(stream_info("talk"))
    picture = AnnotatedPicture(overlay, statistics, StageTimes())
    for index in (*range(27), 0):  # 25 frames/s; then time runs backward
        now[0] += 0.01 + 0.001 * index
        shown = result(index)
        shown = replace(shown, frame=replace(shown.frame, dropped=int(index == 3)))
        statistics.analysed(shown)
        picture.draw(shown)
    latencies = [strip.latency_ms for strip in overlay.said]
    assert [len(set(latencies[a:b])) for a, b in ((0, 13), (13, 26), (26, 28))] == [1, 1, 2]
    assert len({latencies[0], latencies[13], latencies[26], latencies[27]}) == 4
    assert [strip.dropped for strip in overlay.said[:5]] == [0, 0, 0, 1, 1]


def test_snapshots_come_at_their_interval_of_media_time(tmp_path: Path) -> None:
    sink = SnapshotSink(tmp_path / "shots", 1.0, make_picture())
    for index in range(76):  # 25 frames/s
        sink.write(result(index))
    names = sorted(path.name for path in (tmp_path / "shots").iterdir())
    assert names == [f"talk-0000{second}.00.png" for second in range(4)]
    saved = cv2.imread(str(tmp_path / "shots" / names[0]))
    assert saved.shape == (240, 320, 3)


def test_pictures_of_a_live_stream_carry_the_wall_time_and_replace_nothing(tmp_path: Path) -> None:
    for _ in range(2):  # a restarted recording
        sink = SnapshotSink(tmp_path, 1.0, make_picture())
        for index in (0, 1, 25):
            shown = result(index)
            wall = f"2026-11-28T15:22:{index // 25:02d}.250000+01:00"
            sink.write(replace(shown, frame=replace(shown.frame, wall=wall)))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [
        "talk.20261128T142200Z.1.png",
        "talk.20261128T142200Z.png",
        "talk.20261128T142201Z.1.png",
        "talk.20261128T142201Z.png",
    ]


def test_a_picture_never_replaces_a_file(tmp_path: Path) -> None:
    photo = tmp_path / "talk-00000.00.png"
    photo.write_bytes(b"photo")
    SnapshotSink(tmp_path, 1.0, make_picture(), OutputClaims([photo])).write(result(0))
    assert photo.read_bytes() == b"photo"
    assert (tmp_path / "talk-00000.00.1.png").exists()


def test_saved_pictures_keep_their_colours(tmp_path: Path) -> None:
    image = np.zeros((2, 2, 3), dtype=np.uint8)
    image[..., 0] = 200  # red
    save_picture(tmp_path / "red.png", image, OutputClaims())
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 200]  # BGR


def test_a_picture_that_cannot_be_saved_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write"):
        save_picture(
            tmp_path / "file" / "x.png", np.zeros((2, 2, 3), dtype=np.uint8), OutputClaims()
        )


def test_latents_of_all_streams_go_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "latents.parquet"
    times = StageTimes()
    with closing(LatentWriter(path)) as writer:
        for stream in "ab":
            sink = LatentSink(writer, times)
            assert sink.name == str(path)
            latent = np.zeros((2, 3), dtype=np.float32)
            sink.write(FrameResult(make_frame(0, stream=stream), (make_face(latent=latent),)))
            sink.event(StreamEvent(stream, "opened", 0.0))
            sink.close()
    assert pq.read_table(path)["stream"].to_pylist() == ["a", "b"]
    assert times.snapshot()["records"].calls == 2


def test_the_window_gets_the_newest_picture_of_each_stream() -> None:
    feed = WindowFeed()
    sink = WindowSink(feed, make_picture())
    sink.write(result(0))
    sink.write(result(1))
    assert list(feed.take()) == ["talk"]
    assert feed.take() == {}


def test_the_window_can_do_without_the_overlay() -> None:
    feed, picture, shown = WindowFeed(), make_picture(), result()
    feed.overlay = False
    WindowSink(feed, picture).write(shown)
    picture.draw(shown)
    clean = feed.take()["talk"]
    assert (clean == 90).all()


def test_a_paused_window_holds_its_streams() -> None:
    feed = WindowFeed()
    feed.pause(True)
    assert feed.paused
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(WindowSink(feed, make_picture()).write, result())
        feed.pause(False)
        waiting.result(timeout=60)


@pytest.mark.parametrize("seen", [True, False])
def test_a_stream_that_is_gone_shows_so_in_the_window(seen: bool) -> None:
    feed = WindowFeed()
    sink = WindowSink(feed, make_picture())
    if seen:
        sink.write(result())
    last = feed.take().get("talk")
    sink.event(StreamEvent("talk", "disconnected", 1.0, None, {"message": "connection refused"}))
    tile = feed.take()["talk"]
    assert tile.max() > 200
    assert last is None or (tile.shape == last.shape and tile.mean() < last.mean())
    sink.event(StreamEvent("talk", "reconnected", 2.0))
    assert feed.take() == {}
