"""The way between the host's memory and a device's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from streamfer.engine import Array
from streamfer.errors import EngineError


class DeviceLink(Protocol):
    """Copies to and from a device, in order with the work of the calling thread."""

    device: torch.device
    pinned: bool
    """Whether what is sent should lie in page-locked memory."""

    def send(self, staged: Tensor, target: Tensor) -> Callable[[], None]:
        """Queues a copy to the device.

        Args:
            staged: on the host; it must stay as it is until the copy is done.
            target: on the device, of the same shape and dtype.

        Returns:
            What waits until the copy is done.
        """
        ...

    def fetch(self, tensors: Sequence[Tensor]) -> list[Array]:
        """Waits for tensors of the device and copies them to the host."""
        ...


class CudaLink:
    """PCIe: copies through page-locked memory, on the current stream.

    Args:
        device: `cuda:N`.
    """

    pinned = True

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)

    def send(self, staged: Tensor, target: Tensor) -> Callable[[], None]:
        """See `DeviceLink.send`."""
        target.copy_(staged, non_blocking=True)
        return self._mark().synchronize

    def fetch(self, tensors: Sequence[Tensor]) -> list[Array]:
        """See `DeviceLink.fetch`; all of them cost one wait."""
        staged = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors]
        for host, tensor in zip(staged, tensors, strict=True):
            host.copy_(tensor, non_blocking=True)
        self._mark().synchronize()
        # Results may be kept for long, and page-locked memory is scarce.
        return [host.numpy().copy() for host in staged]

    def _mark(self) -> torch.cuda.Event:
        event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self.device))
        return event


@contextlib.contextmanager
def device_errors(device: torch.device) -> Iterator[None]:
    """Turns torch's errors into one-line ones.

    Raises:
        EngineError: the device failed in the block.
    """
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise EngineError(f"{device} failed: {reason}") from error
