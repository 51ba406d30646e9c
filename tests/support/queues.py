"""A work queue and a link on the host: what a CUDA stream and PCIe are to a GPU, without delay."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch

from streamfer.engine import Array


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


class HostLink:
    """Copies within the host's memory, at once, and counts them."""

    pinned = False

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.sent = 0
        self.fetched: list[torch.Tensor] = []

    def send(self, staged: torch.Tensor, target: torch.Tensor) -> Callable[[], None]:
        self.sent += 1
        target.copy_(staged)
        return lambda: None

    def fetch(self, tensors: Sequence[torch.Tensor]) -> list[Array]:
        self.fetched += tensors
        return [tensor.numpy().copy() for tensor in tensors]
