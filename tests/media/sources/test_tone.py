from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from streamfer.media.sources.picture import DecodedPicture, RgbConverter
from streamfer.media.sources.tone import HLG, PQ, to_sdr
from streamfer.types import UInt8Array
from tests.media.sources.test_still_pictures import pictures
from tests.support.shared import shared_file

WHITE = {HLG: 0.75, PQ: 0.58}
"""Signal of diffuse white (ITU-R BT.2408, table 1)."""


def hdr_frame(signal: tuple[float, float, float], transfer: int) -> av.VideoFrame:
    """A 10-bit BT.2020 picture of one colour."""
    values = np.array(signal) * 65535
    picture = np.broadcast_to(values.round().astype(np.uint16), (48, 64, 3))
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb48le")
    frame = frame.reformat(format="yuv420p10le", dst_colorspace=9)
    frame.colorspace, frame.color_primaries, frame.color_trc = 9, 9, transfer
    return frame


def to_rgb(frame: av.VideoFrame) -> UInt8Array:
    return DecodedPicture(frame, RgbConverter(), Fraction(1)).to_rgb()


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_white_is_nearly_white_and_gray_stays_gray(transfer: int) -> None:
    white = to_rgb(hdr_frame((WHITE[transfer],) * 3, transfer))
    assert white.shape == (48, 64, 3)
    assert 220 <= white.mean() <= 250
    assert np.ptp(white, axis=2).max() <= 3
    assert to_rgb(hdr_frame((0, 0, 0), transfer)).max() <= 2
    assert to_rgb(hdr_frame((1, 1, 1), transfer)).min() >= 250


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_brighter_stays_brighter(transfer: int) -> None:
    ramp: NDArray[np.float64] = np.repeat(np.linspace(0, 1, 200)[:, None], 3, axis=1)
    sdr = to_sdr(ramp, transfer, wide=True)
    assert (np.diff(sdr[:, 1]) >= -1e-9).all()
    assert sdr.min() >= 0
    assert sdr.max() <= 1


def test_the_cube_agrees_with_the_formula() -> None:
    for signal in [(0.6, 0.5, 0.45), (0.3, 0.35, 0.5), (0.9, 0.8, 0.7)]:
        expected = to_sdr(np.array([signal]), HLG, wide=True)[0] * 255
        assert np.abs(to_rgb(hdr_frame(signal, HLG)).mean(axis=(0, 1)) - expected).max() < 4


def test_film_of_a_phone_is_no_longer_flat() -> None:
    path = shared_file("cases/hlg.mp4")
    with av.open(path) as container:
        untouched = next(container.decode(video=0)).to_ndarray(format="rgb24")
    image = pictures(path)[0]
    assert spread(image) > 1.1 * spread(untouched)


def spread(image: UInt8Array) -> float:
    low, high = np.percentile(image, [2, 98])
    return float(high - low)
