"""The demo clip: a camera moving over a portrait, made while it plays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import cv2
import numpy as np

from streamfer.errors import SourceError
from streamfer.media.sources.clip import ClipSource
from streamfer.media.sources.playback import ClipFrame, PlaybackOptions
from streamfer.media.sources.timeline import Timeline
from streamfer.types import FloatArray, StreamInfo, UInt8Array
from streamfer.vision.astronaut import astronaut

DEMO_SIZE = (640, 360)
"""Width and height in pixels."""
DEMO_RATE = 30
"""Frames/s."""
DEMO_FRAMES = 300
"""Length of the clip, 10 s; every movement has gone full circle by then, so it loops seamlessly."""

_FACE_CENTRE = (222.0, 125.0)
"""Of the face in the portrait, in pixels; it is about 95 wide and 130 high."""


class DemoSource(ClipSource):
    """A deterministic clip of `skimage.data.astronaut()` (NASA, public domain).

    The camera pans, zooms and tilts, the light changes, and the face stays in view. No file is
    written and no network used.

    Args:
        name: of the stream.
        options: what part of it to play, and how.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        name: str,
        options: PlaybackOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, options, clock)
        self._portrait: UInt8Array | None = None

    def open(self) -> StreamInfo:
        """Loads the portrait.

        Raises:
            SourceError: the clip ends before the asked for start.
        """
        duration_s = DEMO_FRAMES / DEMO_RATE
        if self._options.start_s > duration_s - 1 / DEMO_RATE:
            raise SourceError(
                f"nothing to play in demo: it ends before {self._options.start_s:g} s"
            )
        self._portrait = astronaut()
        return StreamInfo(
            stream=self._name,
            source="demo:",
            width=DEMO_SIZE[0],
            height=DEMO_SIZE[1],
            live=self.live,
            frame_rate=float(DEMO_RATE),
            frame_count=self._options.expected_frames(duration_s, DEMO_FRAMES),
            duration_s=self._options.expected_end_s(duration_s),
            from_clip=True,
        )

    def _free(self) -> None:
        self._portrait = None

    def _timeline(self) -> Timeline:
        timeline = Timeline(Fraction(1, DEMO_RATE), 1 / DEMO_RATE)
        if self._first_frame > 0:
            timeline.place(0)
        return timeline

    def _round(self, number: int, timeline: Timeline) -> Iterator[ClipFrame]:
        assert self._portrait is not None, "open() comes first"
        first = self._first_frame
        for index in range(first, DEMO_FRAMES):
            picture = _DemoPicture(self._portrait, index)
            yield ClipFrame(index, 1 / DEMO_RATE, picture, skipped=first if index == first else 0)

    @property
    def _first_frame(self) -> int:
        return math.ceil(self._options.start_s * DEMO_RATE - 1e-6)


class _DemoPicture:
    """One frame of the clip, drawn on demand."""

    __slots__ = ("_index", "_portrait")

    def __init__(self, portrait: UInt8Array, index: int) -> None:
        self._portrait = portrait
        self._index = index

    @property
    def size_wh(self) -> tuple[int, int]:
        return DEMO_SIZE

    def to_rgb(self) -> UInt8Array:
        phase = 2 * math.pi * self._index / DEMO_FRAMES
        view = cv2.warpAffine(
            self._portrait, camera(phase), DEMO_SIZE, borderMode=cv2.BORDER_REPLICATE
        )
        gain = 0.95 + 0.2 * math.sin(3 * phase)
        return np.asarray(cv2.convertScaleAbs(view, alpha=gain, beta=10 * math.sin(2 * phase)))


def camera(phase: float) -> FloatArray:
    """(2, 3) matrix from portrait pixels to frame pixels at a phase of the clip, in radians.

    The ranges keep the whole face in the frame, and the frame within the portrait.
    """
    zoom = 1.9 + 0.3 * math.sin(phase - 1)
    tilt = math.radians(9 * math.sin(2 * phase))
    x = 320 - 34 * zoom + 0.6 * (256 * zoom - 355) * math.sin(phase)
    y = 80 * zoom + 6 * math.sin(3 * phase)
    a, b = zoom * math.cos(tilt), zoom * math.sin(tilt)
    cx, cy = _FACE_CENTRE
    return np.array([[a, -b, x - a * cx + b * cy], [b, a, y - b * cx - a * cy]], dtype=np.float32)
