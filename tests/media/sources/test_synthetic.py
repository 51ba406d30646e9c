from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.media.sources.source import PendingFrame
from streamfer.media.sources.synthetic import DEMO_FRAMES, DEMO_RATE, DemoSource
from streamfer.runtime.backends.onnxruntime import OnnxRuntimeEngine
from streamfer.runtime.model import OnnxModel
from streamfer.vision.detection.centerface import CenterFace, centerface_file, centerface_onnx


def play(options: PlaybackOptions | None = None) -> Iterator[PendingFrame]:
    source = DemoSource("demo", options)
    source.open()
    yield from source.frames()
    source.close()


def test_steady_clip_of_ten_seconds() -> None:
    source = DemoSource("demo")
    info = source.open()
    frames = list(source.frames())
    assert (info.width, info.height, info.frame_count, info.live) == (640, 360, 300, False)
    assert [f.pts for f in frames] == list(range(DEMO_FRAMES))
    assert frames[0].time_base == Fraction(1, 30)
    assert frames[0].picture.to_rgb().shape == (360, 640, 3)


def test_same_pictures_every_time_and_no_two_alike() -> None:
    first, second = list(play()), list(play())
    for a, b in zip(first[::50], second[::50], strict=True):
        assert np.array_equal(a.picture.to_rgb(), b.picture.to_rgb())
    assert not np.array_equal(first[0].picture.to_rgb(), first[1].picture.to_rgb())


def test_part_of_it_twice() -> None:
    options = PlaybackOptions(start_s=1.0, duration_s=0.5, loop=2, max_frames=20)
    frames = list(play(options))
    assert [f.index for f in frames] == list(range(30, 50))
    assert [f.time_s for f in frames] == pytest.approx([i / DEMO_RATE for i in range(30, 50)])
    assert [f.pts for f in frames] == list(range(30, 50))
    once = [f.picture.to_rgb() for f in frames]
    assert np.array_equal(once[0], once[15])


def test_interrupt_ends_it() -> None:
    source = DemoSource("demo")
    source.open()
    frames = source.frames()
    next(frames)
    source.interrupt()
    assert list(frames) == []


def test_one_face_whole_and_in_view_throughout() -> None:
    model = OnnxModel.from_bytes("centerface", centerface_onnx(centerface_file()))
    detector = CenterFace(OnnxRuntimeEngine(model, threads=1))
    heights = []
    for frame in list(play())[::15]:
        (faces,) = detector.detect([frame.picture.to_rgb()])
        assert len(faces) == 1
        left, top, right, bottom = faces[0].box_xyxy
        assert faces[0].score > 0.7
        assert left > 0
        assert top > 0
        assert right < 640
        assert bottom < 360
        heights.append(bottom - top)
    detector.close()
    assert max(heights) > 1.3 * min(heights)


@pytest.mark.parametrize("start_s", [10.0, 12.5])
def test_start_beyond_the_end_is_refused(start_s: float) -> None:
    with pytest.raises(SourceError, match="ends before"):
        DemoSource("demo", PlaybackOptions(start_s=start_s)).open()
