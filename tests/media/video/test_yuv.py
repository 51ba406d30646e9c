from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange

from streamfer.media.sources.picture import (
    DecodedPicture,
    RgbConverter,
    high_definition,
    usual_matrix,
)
from streamfer.media.video.writer import VideoWriter
from streamfer.media.video.yuv import Rect, YuvConverter
from streamfer.types import Planes, StreamInfo, UInt8Array
from tests.support.analysed import make_frame

SIZES = [(640, 360), (1280, 720), (480, 270), (480, 854), (1280, 534)]
"""BT.601 and BT.709; heights that are a multiple of four and not."""


def colours(size_wh: tuple[int, int]) -> UInt8Array:
    """A smooth picture of many colours."""
    few = np.random.default_rng(1).integers(0, 255, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(few, size_wh, interpolation=cv2.INTER_CUBIC), np.uint8)


def decoded(size_wh: tuple[int, int]) -> av.VideoFrame:
    """As a decoder would give them."""
    frame: av.VideoFrame = YuvConverter(size_wh).convert(colours(size_wh))
    frame.colorspace, frame.color_range = 1 if high_definition(*size_wh) else 6, 1
    return frame


def taken_in(frame: av.VideoFrame) -> tuple[UInt8Array, Planes | None]:
    picture = DecodedPicture(frame, RgbConverter(), None)
    image = picture.to_rgb()
    return image, picture.planes(image)


@pytest.mark.parametrize("size", SIZES)
def test_what_nobody_has_drawn_over_keeps_the_pixels_of_the_input(size: tuple[int, int]) -> None:
    frame = decoded(size)
    image, planes = taken_in(frame)
    assert planes is not None
    image[101:151, 203:303] = (250, 10, 10)
    changed: Sequence[Rect] = [(203, 101, 303, 151)]
    packed = YuvConverter(size).repaint(planes, image, changed).to_ndarray()
    before, whole = frame.to_ndarray(), YuvConverter(size).convert(image).to_ndarray()
    outside = np.ones(before.shape, dtype=bool)
    outside[100:152, 202:304] = False
    outside[size[1] :] = False
    assert (packed[outside] == before[outside]).all()
    inside = np.s_[100:152, 202:304]
    assert np.abs(packed[inside].astype(int) - whole[inside].astype(int)).max() <= 2
    chroma = packed[size[1] :].reshape(2, size[1] // 2, size[0] // 2)[:, 51:75, 103:150]
    wanted = whole[size[1] :].reshape(2, size[1] // 2, size[0] // 2)[:, 51:75, 103:150]
    assert np.abs(chroma.astype(int) - wanted.astype(int)).max() <= 2


@pytest.mark.parametrize("size", SIZES)
def test_all_of_a_picture_can_be_drawn_over(size: tuple[int, int]) -> None:
    image, planes = taken_in(decoded(size))
    assert planes is not None
    other = np.ascontiguousarray(image[::-1])
    packed = YuvConverter(size).repaint(planes, other, [(0, 0, *size)]).to_ndarray()
    whole = YuvConverter(size).convert(other).to_ndarray()
    assert np.abs(packed.astype(int) - whole.astype(int)).max() <= 2


def test_other_pictures_have_no_planes_to_take_over() -> None:
    frame = decoded((640, 360))
    assert taken_in(frame)[1] is not None
    frame.color_range = ColorRange.JPEG
    assert taken_in(frame)[1] is None
    frame.color_range, frame.colorspace = ColorRange.MPEG, 1
    assert usual_matrix(640, 360) != frame.colorspace
    assert taken_in(frame)[1] is None
    assert taken_in(decoded((640, 360)).reformat(format="yuv444p"))[1] is None
    assert taken_in(decoded((640, 360)).reformat(width=639, height=359))[1] is None
    turned = DecodedPicture(decoded((640, 360)), RgbConverter(), None, (0, 1, -1, 0))
    assert turned.planes(turned.to_rgb()) is None
    oblong = DecodedPicture(decoded((640, 360)), RgbConverter(), Fraction(4, 3))
    assert oblong.planes(oblong.to_rgb()) is None


@pytest.mark.parametrize("is_replaced", [False, True])
def test_an_image_that_was_replaced_is_what_the_video_shows(
    tmp_path: Path, is_replaced: bool
) -> None:
    image, planes = taken_in(decoded((640, 360)))
    frame = replace(make_frame(0, image), planes=planes)
    if is_replaced:  # a copy with every face covered, say
        frame = replace(frame, image=np.zeros_like(image))
    path = tmp_path / "a.mp4"
    with closing(VideoWriter(path, StreamInfo("a", "a", 640, 360, False, 25.0))) as writer:
        writer.write(frame, frame.image, changed=())
    with av.open(str(path)) as container:
        (shown,) = container.decode(video=0)
    mean = float(shown.to_ndarray(format="rgb24").mean())
    assert mean == pytest.approx(0.0 if is_replaced else float(image.mean()), abs=3)
