from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from streamfer.runtime.device.link import DeviceLink
from streamfer.runtime.device.pictures import DevicePictures, PictureUploader
from streamfer.types import UInt8Array
from tests.support.devices import device_links
from tests.support.queues import HostLink

SIZES = ((30, 20), (7, 5), (64, 48), (30, 20), (1, 1))


@pytest.fixture(params=device_links())
def link(request: pytest.FixtureRequest) -> DeviceLink:
    return request.param()  # type: ignore[no-any-return]


def noise(seed: int, size_wh: tuple[int, int]) -> UInt8Array:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (size_wh[1], size_wh[0], 3), dtype=np.uint8)


class SlowLink(HostLink):
    """Copies only when someone waits, and then all that was sent so far, as a busy device may."""

    def __init__(self) -> None:
        super().__init__()
        self._copies: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.most_under_way = 0

    def send(self, staged: torch.Tensor, target: torch.Tensor) -> Callable[[], None]:
        self._copies.append((staged, target))
        self.most_under_way = max(self.most_under_way, len(self._copies))
        return self.settle

    def settle(self) -> None:
        for staged, target in self._copies:
            target.copy_(staged)
        self._copies.clear()


def test_pictures_arrive_as_they_are(link: DeviceLink) -> None:
    images = [noise(seed, size) for seed, size in enumerate(SIZES)]
    pictures = DevicePictures(images, PictureUploader(link))
    assert pictures.sizes_wh == list(SIZES)
    for index in (2, 0, 4, 3, 1):
        np.testing.assert_array_equal(pictures.picture(index).cpu().numpy(), images[index])


def test_strided_and_read_only_pictures_arrive(link: DeviceLink) -> None:
    wide = noise(0, (40, 20))
    turned = noise(1, (20, 40)).transpose(1, 0, 2)
    turned.setflags(write=False)
    pictures = DevicePictures([wide[:, ::2], turned], PictureUploader(link))
    np.testing.assert_array_equal(pictures.picture(0).cpu().numpy(), wide[:, ::2])
    np.testing.assert_array_equal(pictures.picture(1).cpu().numpy(), turned)


def test_a_picture_is_sent_once_and_only_when_it_is_needed() -> None:
    link = HostLink()
    pictures = DevicePictures([noise(0, (8, 8))] * 3, PictureUploader(link))
    assert link.sent == 0
    pictures.ensure([2, 0])
    pictures.ensure([0])
    pictures.picture(2)
    assert link.sent == 2


def test_a_buffer_is_not_written_while_its_copy_is_under_way() -> None:
    link = SlowLink()
    uploader = PictureUploader(link)
    images = [noise(seed, (12, 9)) for seed in range(6)]
    pictures = DevicePictures(images, uploader)
    pictures.ensure(range(6))
    link.settle()
    for index, image in enumerate(images):
        np.testing.assert_array_equal(pictures.picture(index).numpy(), image)
    assert link.most_under_way == 2  # one is filled while the other is sent


def test_a_caller_may_reuse_the_memory_of_a_picture() -> None:
    link = SlowLink()
    image = noise(0, (12, 9))
    before = image.copy()
    pictures = DevicePictures([image], PictureUploader(link))
    pictures.ensure([0])
    image[...] = 0
    link.settle()
    np.testing.assert_array_equal(pictures.picture(0).numpy(), before)


def test_a_batch_without_pictures_is_empty() -> None:
    pictures = DevicePictures([], PictureUploader(HostLink()))
    pictures.ensure([])
    assert pictures.pixels.shape == (0, 3)
