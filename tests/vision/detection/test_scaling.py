from __future__ import annotations

import cv2
import numpy as np
import pytest

from streamfer.types import UInt8Array
from streamfer.vision.detection.scaling import scale_into, whole_factors
from tests.support.faces import read_rgb


def scaled(picture: UInt8Array, size_wh: tuple[int, int]) -> UInt8Array:
    target = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
    scale_into(target, picture)
    return target


def sized(width: int, height: int) -> UInt8Array:
    picture = read_rgb("media/multi_face.jpg")
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ("source_wh", "target_wh", "factors"),
    [
        ((640, 360), (320, 192), (2, 2)),
        ((640, 360), (640, 352), (1, 1)),
        ((1920, 1080), (640, 352), (3, 3)),
        ((320, 180), (640, 352), (1, 1)),
        ((641, 360), (320, 192), None),
        ((640, 361), (320, 192), None),
    ],
)
def test_factors(
    source_wh: tuple[int, int], target_wh: tuple[int, int], factors: tuple[int, int] | None
) -> None:
    assert whole_factors(source_wh, target_wh) == factors


@pytest.mark.parametrize(
    ("source_wh", "target_wh"),
    [((640, 360), (320, 192)), ((1280, 720), (640, 352)), ((641, 361), (320, 192))],
)
def test_photographs_come_out_as_by_averaging(
    source_wh: tuple[int, int], target_wh: tuple[int, int]
) -> None:
    picture = sized(*source_wh)
    averaged = cv2.resize(picture, target_wh, interpolation=cv2.INTER_AREA)
    apart = np.abs(scaled(picture, target_wh).astype(int) - averaged)
    assert apart.mean() < 2.0


def test_what_is_finer_than_the_target_is_averaged() -> None:
    stripes = np.zeros((360, 640, 3), np.uint8)
    stripes[:, ::2] = 200
    assert np.abs(scaled(stripes, (320, 192)).astype(int) - 100).max() <= 1


def test_a_picture_of_that_size_stays_as_it_is() -> None:
    picture = sized(64, 32)
    np.testing.assert_array_equal(scaled(picture, (64, 32)), picture)
