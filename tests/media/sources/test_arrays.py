from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.arrays import ArraySource
from streamfer.media.sources.playback import PlaybackOptions
from streamfer.types import UInt8Array


def picture(value: int, shape: tuple[int, ...] = (4, 6, 3)) -> UInt8Array:
    return np.full(shape, value, np.uint8)


def play(pictures: Any, **settings: Any) -> list[tuple[float, int]]:
    """(time, value of the first pixel) of each frame."""
    source = ArraySource(pictures, "mine", **settings)
    source.open()
    frames = [(f.time_s, int(f.picture.to_rgb()[0, 0, 0])) for f in source.frames()]
    source.close()
    return frames


def test_pictures_come_at_the_frame_rate() -> None:
    pictures = [picture(value) for value in (1, 2, 3)]
    assert play(pictures, frame_rate=10) == [(0.0, 1), (0.1, 2), (0.2, 3)]


def test_an_array_of_pictures_is_an_iterable_of_them() -> None:
    assert [value for _, value in play(np.stack([picture(1), picture(2)]))] == [1, 2]


def test_pairs_bring_their_times() -> None:
    pairs = [(5.0, picture(1)), (5.5, picture(2)), (7, picture(3))]
    assert play(pairs) == [(0.0, 1), (0.5, 2), (2.0, 3)]


def test_what_is_open_is_described() -> None:
    info = ArraySource([picture(1)], "mine", frame_rate=25).open()
    assert (info.stream, info.source, info.width, info.height, info.frame_rate, info.live) == (
        "mine",
        "pictures",
        6,
        4,
        25.0,
        False,
    )


def test_gray_becomes_rgb() -> None:
    source = ArraySource([picture(7, (4, 6))], "mine")
    source.open()
    (frame,) = source.frames()
    assert np.array_equal(frame.picture.to_rgb(), picture(7))


def test_the_caller_may_fill_one_array_again() -> None:
    def filled() -> Iterator[UInt8Array]:
        buffer = picture(0)
        for value in (1, 2, 3):
            buffer[:] = value
            yield buffer

    source = ArraySource(filled(), "mine")
    source.open()
    frames = list(source.frames())
    assert [int(f.picture.to_rgb()[0, 0, 0]) for f in frames] == [1, 2, 3]


def test_part_of_a_list_twice() -> None:
    options = PlaybackOptions(start_s=1.0, duration_s=2.0, loop=2)
    pictures = [picture(value) for value in range(5)]
    times_and_values = play(pictures, frame_rate=1, options=options)
    assert times_and_values == [(0.0, 1), (1.0, 2), (2.0, 1), (3.0, 2)]


def test_an_iterator_cannot_be_played_twice() -> None:
    with pytest.raises(ConfigError, match="give a list"):
        ArraySource(iter([picture(1)]), "mine", options=PlaybackOptions(loop=2))


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_a_frame_rate_is_above_zero(rate: float) -> None:
    with pytest.raises(ConfigError, match="frame_rate"):
        ArraySource([picture(1)], "mine", frame_rate=rate)


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (np.zeros((4, 6, 3)), r"picture 1: .*got an array \(4, 6, 3\) of float64"),
        (picture(1, (4, 6, 4)), r"picture 1: .*got an array \(4, 6, 4\)"),
        (picture(1, (0, 6, 3)), "picture 1: "),
        ("x.png", "picture 1: .*got str"),
        ((float("nan"), picture(1)), "picture 1: expected a time"),
        (("soon", picture(1)), "picture 1: expected a time"),
        ((-0.2, picture(1)), r"picture 1: at -0.2 s; times count from 0 on"),
    ],
)
def test_what_is_no_picture_is_said(item: Any, complaint: str) -> None:
    source = ArraySource([picture(1), item], "mine")
    source.open()
    with pytest.raises(SourceError, match=complaint):
        list(source.frames())


def test_no_pictures_at_all() -> None:
    with pytest.raises(SourceError, match="no pictures"):
        ArraySource([], "mine").open()


def test_a_failing_iterable_is_a_source_that_fails() -> None:
    def failing() -> Iterator[UInt8Array]:
        yield picture(1)
        raise KeyError("x")

    source = ArraySource(failing(), "mine")
    source.open()
    with pytest.raises(SourceError, match=r"mine: the pictures failed: KeyError\('x'\)"):
        list(source.frames())


def test_interrupt_ends_it() -> None:
    source = ArraySource([picture(1)] * 9, "mine")
    source.open()
    frames = source.frames()
    next(frames)
    source.interrupt()
    assert list(frames) == []
