"""A CUDA stream of an engine's own, as torch sees it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch

from streamfer.errors import EngineError


class WorkQueue(Protocol):
    """Where an engine queues its work; a CUDA stream outside the tests."""

    device: torch.device

    @property
    def handle(self) -> int:
        """The driver's handle of the stream."""
        ...

    def follow(self, tensors: Iterable[torch.Tensor]) -> contextlib.AbstractContextManager[None]:
        """Queues the work inside after what the caller has queued, before what they queue next.

        Args:
            tensors: the caller's tensors that the work reads.
        """
        ...

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Runs work once and returns a cheaper way to run it again on the same memory."""
        ...

    def synchronize(self) -> None:
        """Waits until all queued work is done."""
        ...


class SideStream:
    """A stream beside the default one, on which TensorRT and graph capture insist.

    Args:
        device: `cuda:N`.

    Raises:
        EngineError: the device cannot be used.
    """

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        try:
            self._stream: torch.cuda.Stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
            raise EngineError(
                f"{device} cannot be used: {str(error).partition(chr(10))[0]}"
            ) from error

    @property
    def handle(self) -> int:
        """The cudaStream_t."""
        return int(self._stream.cuda_stream)

    @contextlib.contextmanager
    def follow(self, tensors: Iterable[torch.Tensor]) -> Iterator[None]:
        """See `WorkQueue.follow`; keeps the allocator from reusing the tensors meanwhile."""
        caller = torch.cuda.current_stream(self.device)
        self._stream.wait_stream(caller)
        for tensor in tensors:
            if tensor.is_cuda:
                tensor.record_stream(self._stream)
        with torch.cuda.stream(self._stream):
            yield
        caller.wait_stream(self._stream)

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        """Captures a CUDA graph after a first run, in which libraries pick their kernels."""
        with torch.cuda.stream(self._stream):
            work()
        self._stream.synchronize()
        graph: Any = torch.cuda.CUDAGraph()
        # Other threads may allocate meanwhile: only this one's mistakes may spoil the capture.
        with torch.cuda.graph(graph, stream=self._stream, capture_error_mode="thread_local"):
            work()
        return graph.replay

    def synchronize(self) -> None:
        """Waits until all work on this stream is done."""
        self._stream.synchronize()
