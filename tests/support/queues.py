"""A work queue on the host: what a CUDA stream is to the engines, run at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator

import torch


class HostQueue:
    """Runs work immediately; its memory is the host's."""

    handle = 7

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.records = 0
        self.inside = False

    @contextlib.contextmanager
    def follow(self, tensors: Iterable[torch.Tensor]) -> Iterator[None]:
        assert not self.inside
        self.inside = True
        yield
        self.inside = False

    def record(self, work: Callable[[], None]) -> Callable[[], None]:
        assert self.inside
        self.records += 1
        work()
        return work

    def synchronize(self) -> None:
        pass
