"""The detector's input made on a device against the one made on the host."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.resize import Resizer, resize_weights
from streamfer.types import UInt8Array
from streamfer.vision.detection.scaling import scale_into
from tests.support.devices import device_links
from tests.support.faces import read_rgb


@pytest.fixture(params=device_links())
def link(request: pytest.FixtureRequest) -> DeviceLink:
    return request.param()  # type: ignore[no-any-return]


def resized(link: DeviceLink, image: UInt8Array, size_wh: tuple[int, int]) -> UInt8Array:
    on_device = torch.from_numpy(image).to(link.device)
    return Resizer(link.device)(on_device, size_wh).cpu().numpy()


def difference(ours: UInt8Array, theirs: UInt8Array) -> np.ndarray:
    return np.abs(ours.astype(int) - theirs.astype(int))


def on_host(image: UInt8Array, size_wh: tuple[int, int]) -> UInt8Array:
    target = np.empty((size_wh[1], size_wh[0], 3), np.uint8)
    scale_into(target, image)
    return target


@pytest.mark.parametrize(
    ("source_wh", "target_wh", "most"),
    [
        ((1920, 1080), (640, 352), 2),
        ((1080, 1920), (352, 640), 2),
        ((1280, 720), (640, 352), 2),
        ((640, 360), (320, 192), 2),
        ((640, 360), (640, 352), 1),
        ((333, 777), (288, 640), 1),
        ((1283, 777), (320, 192), 1),
        ((320, 180), (640, 352), 1),
        ((31, 17), (64, 32), 1),
        ((1, 1), (32, 32), 1),
        ((640, 352), (640, 352), 0),
    ],
)
def test_noise_comes_out_as_from_the_host(
    link: DeviceLink, source_wh: tuple[int, int], target_wh: tuple[int, int], most: int
) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (source_wh[1], source_wh[0], 3), dtype=np.uint8)
    theirs = on_host(image, target_wh)
    assert difference(resized(link, image, target_wh), theirs).max() <= most


def test_where_the_axes_differ_photographs_hardly_do(link: DeviceLink) -> None:
    """961 × 351 comes to 640 × 352: one axis shrinks, the other grows."""
    image = cv2.resize(read_rgb("media/multi_face.jpg"), (961, 351), interpolation=cv2.INTER_AREA)
    theirs = on_host(image, (640, 352))
    apart = difference(resized(link, image, (640, 352)), theirs)
    assert apart.mean() < 1.0
    assert np.quantile(apart, 0.99) <= 10


@pytest.mark.parametrize(
    ("source", "target", "factor"),
    [(7, 3, None), (100, 32, None), (96, 32, 3), (32, 32, 1), (5, 9, 1), (1, 4, None)],
)
def test_weights_of_a_pixel_sum_to_one(source: int, target: int, factor: int | None) -> None:
    weights = resize_weights(source, target, factor)
    assert weights.shape == (target, source)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert (weights >= 0).all()
