"""Pictures that a Python program already has, as a source."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.clip import ClipSource
from streamfer.media.sources.playback import ClipFrame, PlaybackOptions
from streamfer.media.sources.timeline import Timeline
from streamfer.types import StreamInfo, UInt8Array

_TIME_BASE = Fraction(1, 90_000)
"""That of MPEG: every usual frame rate is a whole number of its ticks."""
_END = object()


class ArraySource(ClipSource):
    """Pictures, or (time, picture) pairs, in order; as lossless as a file.

    A picture is copied as it is taken, so that the caller may fill the same array again.

    Args:
        pictures: (H, W, 3) uint8 RGB or (H, W) uint8 gray arrays, or (seconds, array) pairs.
        name: of the stream.
        frame_rate: frames/s of pictures that come without times.
        options: what part of them to play, and how.
        clock: monotonic, in seconds.

    Raises:
        ConfigError: an iterator shall be played more than once, or the frame rate is not positive.
    """

    def __init__(
        self,
        pictures: Iterable[Any],
        name: str,
        frame_rate: float = 30.0,
        options: PlaybackOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < frame_rate < float("inf"):
            raise ConfigError(f"frame_rate: expected frames/s above 0, got {frame_rate!r}")
        super().__init__(name, options, clock)
        if self._options.loop > 1 and isinstance(pictures, Iterator):
            raise ConfigError("loop: an iterator can be played once only; give a list")
        self._pictures = pictures
        self._frame_s = 1 / frame_rate
        self._rest: Iterator[Any] = iter(())
        self._first: list[Any] = []

    def open(self) -> StreamInfo:
        """Takes the first picture.

        Raises:
            SourceError: there is none, it is no picture, or the iterable failed.
        """
        self._begin()
        if not self._first:
            raise SourceError(f"{self._name}: there are no pictures")
        height, width = self._clip_frame(0, self._first[0]).picture.to_rgb().shape[:2]
        return StreamInfo(
            stream=self._name,
            source="pictures",
            width=width,
            height=height,
            live=self.live,
            frame_rate=1 / self._frame_s,
        )

    def _free(self) -> None:
        self._rest, self._first = iter(()), []

    def _begin(self) -> None:
        self._rest = iter(self._pictures)
        first = self._next()
        self._first = [] if first is _END else [first]

    def _items(self) -> Iterator[Any]:
        first, self._first = self._first, []
        yield from first
        while (item := self._next()) is not _END:
            yield item

    def _next(self) -> Any:
        """The caller's next item, or `_END`."""
        try:
            return next(self._rest, _END)
        except Exception as error:
            raise SourceError(f"{self._name}: the pictures failed: {error!r}") from error

    def _timeline(self) -> Timeline:
        return Timeline(_TIME_BASE, self._frame_s)

    def _round(self, number: int, timeline: Timeline) -> Iterator[ClipFrame]:
        if number > 0:
            self._begin()
        for index, item in enumerate(self._items()):
            frame = self._clip_frame(index, item)
            if frame.pts is None or frame.pts * _TIME_BASE >= self._options.start_s - 1e-6:
                yield frame

    def _clip_frame(self, index: int, item: Any) -> ClipFrame:
        time_s, picture = index * self._frame_s, item
        if isinstance(item, tuple) and len(item) == 2:
            time_s, picture = item
        where = f"{self._name}: picture {index}"
        if not isinstance(time_s, int | float | np.number) or not np.isfinite(time_s):
            raise SourceError(f"{where}: expected a time in seconds, got {time_s!r}")
        if time_s < 0:
            raise SourceError(f"{where}: at {float(time_s):g} s; times count from 0 on")
        return ClipFrame(
            round(float(time_s) / _TIME_BASE), self._frame_s, _Picture(checked_rgb(picture, where))
        )


class _Picture:
    """An RGB picture of one's own."""

    __slots__ = ("_image",)

    def __init__(self, image: UInt8Array) -> None:
        self._image = image

    @property
    def size_wh(self) -> tuple[int, int]:
        return self._image.shape[1], self._image.shape[0]

    def to_rgb(self) -> UInt8Array:
        return self._image


def checked_rgb(picture: Any, where: str) -> UInt8Array:
    """A copy of a picture as (H, W, 3) uint8 RGB.

    Args:
        picture: (H, W, 3) uint8 RGB or (H, W) uint8 gray, as whoever calls us gave it.
        where: begins the message.

    Raises:
        SourceError: it is neither.
    """
    if isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.size > 0:
        if picture.ndim == 2:
            return np.repeat(picture[:, :, None], 3, axis=2)
        if picture.ndim == 3 and picture.shape[2] == 3:
            return np.array(picture, order="C")
    got = (
        f"an array {picture.shape} of {picture.dtype}"
        if isinstance(picture, np.ndarray)
        else f"{type(picture).__name__}"
    )
    raise SourceError(f"{where}: expected (H, W, 3) uint8 RGB or (H, W) uint8 gray, got {got}")
