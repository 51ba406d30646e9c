from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

import streamfer
from streamfer.app.session.opencv_threads import opencv_on_one_thread
from streamfer.media.sources.arrays import ArraySource
from streamfer.types import UInt8Array


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = cv2.getNumThreads()
    cv2.setNumThreads(3)
    yield
    cv2.setNumThreads(before)


def test_one_thread_until_the_last_run_has_ended() -> None:
    first, second = opencv_on_one_thread(), opencv_on_one_thread()
    with first:
        assert cv2.getNumThreads() == 1
        second.__enter__()
    assert cv2.getNumThreads() == 1
    second.__exit__(None, None, None)
    assert cv2.getNumThreads() == 3


def test_the_number_comes_back_after_a_failure() -> None:
    with pytest.raises(ValueError, match="broken"), opencv_on_one_thread():
        raise ValueError("broken")
    assert cv2.getNumThreads() == 3


def test_a_run_uses_one() -> None:
    seen = []

    def pictures() -> Iterator[UInt8Array]:
        for _ in range(3):
            seen.append(cv2.getNumThreads())
            yield np.zeros((48, 64, 3), np.uint8)

    results = list(streamfer.analyze(ArraySource(pictures(), "mine"), refine=False))
    assert len(results) == 3
    assert seen[1:] == [1, 1]  # the first is read before the run, to know its size
    assert cv2.getNumThreads() == 3
