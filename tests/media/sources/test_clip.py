"""What all clips have in common: how they are closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from streamfer.media.sources.arrays import ArraySource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.types import UInt8Array


def test_a_clip_that_another_thread_reads_is_not_freed_under_its_feet() -> None:
    asked, goes_on, freed = threading.Event(), threading.Event(), threading.Event()
    taken: list[float] = []

    def pictures() -> Iterator[UInt8Array]:
        try:
            yield np.zeros((4, 4, 3), np.uint8)
            asked.set()
            assert goes_on.wait(60)
            yield np.zeros((4, 4, 3), np.uint8)
            yield np.zeros((4, 4, 3), np.uint8)
        finally:
            freed.set()

    class Closing(ArraySource):
        def _free(self) -> None:
            self._pictures.close()  # type: ignore[attr-defined]
            super()._free()

    source = Closing(pictures(), "talk", options=PlaybackOptions())
    source.open()

    def read() -> None:
        taken.extend(frame.time_s for frame in source.frames())
        source.close()

    thread = threading.Thread(target=read)
    thread.start()
    assert asked.wait(60)
    source.close()  # raised: generator already executing
    assert not freed.is_set()
    goes_on.set()
    thread.join(60)
    assert not thread.is_alive()
    assert len(taken) == 1  # the close interrupted it
    assert freed.is_set()


def test_a_clip_is_freed_between_two_pictures() -> None:
    source = ArraySource([np.zeros((4, 4, 3), np.uint8)] * 3, "talk", frame_rate=10.0)
    source.open()
    frames = source.frames()
    assert next(frames).time_base == Fraction(1, 90_000)
    source.close()
    source.close()
    assert list(frames) == []
