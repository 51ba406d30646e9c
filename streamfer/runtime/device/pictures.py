"""Pictures in a device's memory: uploaded once, as uint8, when something first needs them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from streamfer.runtime.device.link import DeviceLink
from streamfer.types import UInt8Array


class PictureUploader:
    """Sends pictures through two staging buffers in turn: while one is under way, the next picture
    is laid into the other.

    Args:
        link: to the device.
    """

    def __init__(self, link: DeviceLink) -> None:
        self.device = link.device
        self._buffers = itertools.cycle((_StagingBuffer(link), _StagingBuffer(link)))

    def upload(self, image: UInt8Array, target: Tensor) -> None:
        """Queues the upload of one picture; it may be changed afterwards.

        Args:
            image: (H, W, 3) uint8 on the host.
            target: (H · W, 3) uint8 on the device.
        """
        next(self._buffers).send(image, target)


class _StagingBuffer:
    """Memory of the host from which a picture is copied to the device."""

    def __init__(self, link: DeviceLink) -> None:
        self._link = link
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._wait: Callable[[], None] | None = None

    def send(self, image: UInt8Array, target: Tensor) -> None:
        if self._wait is not None:
            self._wait()
        if self._memory.numel() < image.size:
            self._memory = torch.empty(image.size, dtype=torch.uint8, pin_memory=self._link.pinned)
        staged = self._memory[: image.size]
        np.copyto(staged.numpy().reshape(image.shape), image)
        self._wait = self._link.send(staged.view_as(target), target)


class DevicePictures:
    """The pictures of one batch, one after the other in one tensor.

    Args:
        images: (H, W, 3) uint8 RGB each, of any sizes; they must not change.
        uploader: to the device.
    """

    def __init__(self, images: Sequence[UInt8Array], uploader: PictureUploader) -> None:
        self._images = images
        self._uploader = uploader
        self._missing = set(range(len(images)))
        self.sizes_wh: list[tuple[int, int]] = [(i.shape[1], i.shape[0]) for i in images]
        self.starts: list[int] = [0]
        """Row of `pixels` at which each picture begins, and the number of rows."""
        self.starts += itertools.accumulate(width * height for width, height in self.sizes_wh)
        self.pixels: Tensor = torch.empty(
            (self.starts[-1], 3), dtype=torch.uint8, device=uploader.device
        )
        """(ΣH · W, 3) uint8 RGB; what has not been asked for by `ensure` is undefined."""

    def ensure(self, members: Iterable[int]) -> None:
        """Queues the upload of those pictures that are not there yet."""
        for index in sorted(self._missing.intersection(members)):
            self._uploader.upload(self._images[index], self._rows(index))
            self._missing.discard(index)

    def picture(self, index: int) -> Tensor:
        """(H, W, 3) uint8 RGB, uploaded if need be."""
        self.ensure([index])
        width, height = self.sizes_wh[index]
        return self._rows(index).view(height, width, 3)

    def _rows(self, index: int) -> Tensor:
        return self.pixels[self.starts[index] : self.starts[index + 1]]
