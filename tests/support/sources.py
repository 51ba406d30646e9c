"""Sources written by hand, whose every frame the test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from streamfer.media.sources.source import PendingFrame
from streamfer.types import StreamInfo, UInt8Array


class SolidPicture:
    """A small picture of one gray level."""

    def __init__(self, level: int = 0) -> None:
        self.level = level

    def to_rgb(self) -> UInt8Array:
        return np.full((4, 6, 3), self.level % 256, dtype=np.uint8)


def pending(index: int, clock: Callable[[], float] = lambda: 0.0) -> PendingFrame:
    """Frame number `index` of a 25 frames/s stream."""
    return PendingFrame(
        index=index,
        pts=index,
        time_base=Fraction(1, 25),
        time_s=index / 25,
        decoded_at_s=clock(),
        picture=SolidPicture(index),
    )


def stream_info(name: str, live: bool = False) -> StreamInfo:
    """A stream of 6 × 4 pixels at 25 frames/s."""
    return StreamInfo(name, f"{name}.mp4", 6, 4, live, frame_rate=25.0)


class FakeSource:
    """Yields `count` frames, or frames without end, and fails where it is told to.

    Args:
        name: of the stream.
        count: frames to yield; None for no end.
        live: what it says of itself.
        fail_at: index of the frame before which `error` is raised.
        error: what `frames` raises at `fail_at`, or `open` where `fail_at` is None.
        gate: waited for before every frame, if given.
    """

    def __init__(
        self,
        name: str = "talk",
        count: int | None = 10,
        *,
        live: bool = False,
        fail_at: int | None = None,
        error: BaseException | None = None,
        gate: threading.Semaphore | None = None,
    ) -> None:
        self.name = name
        self.live = live
        self.closed = threading.Event()
        self.interrupted = threading.Event()
        self._count = count
        self._fail_at = fail_at
        self._error = error
        self._gate = gate

    def open(self) -> StreamInfo:
        if self._error is not None and self._fail_at is None:
            raise self._error
        return stream_info(self.name, self.live)

    def frames(self) -> Iterator[PendingFrame]:
        index = 0
        while self._count is None or index < self._count:
            if self._gate is not None:
                self._gate.acquire()
            if self.interrupted.is_set():
                return
            if index == self._fail_at and self._error is not None:
                raise self._error
            yield pending(index)
            index += 1

    def interrupt(self) -> None:
        self.interrupted.set()
        if self._gate is not None:
            self._gate.release()

    def close(self) -> None:
        self.closed.set()
