"""What every source is to the pipeline: an iterator of frames and events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol, runtime_checkable

from streamfer.types import Frame, Planes, StreamEvent, StreamInfo, UInt8Array


class Picture(Protocol):
    """A decoded picture that can still be dropped without having cost a conversion."""

    def to_rgb(self) -> UInt8Array:
        """The upright picture, (H, W, 3) uint8 RGB."""
        ...


@runtime_checkable
class PlanarPicture(Picture, Protocol):
    """A picture that may have come as YUV that outputs can take as it is."""

    def planes(self, image: UInt8Array) -> Planes | None:
        """The decoder's own planes, where they show `image` pixel by pixel."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class PendingFrame:
    """A decoded frame before admission: everything of a `Frame` but the RGB image."""

    index: int
    """Counts decoded frames from 0; a clip's from its first, also where it is played from later."""
    pts: int
    """Presentation time in `time_base` units, repaired: strictly increasing."""
    time_base: Fraction
    time_s: float
    """Media time in seconds, 0 for the stream's or the clip's first frame, strictly increasing."""
    decoded_at_s: float
    """When it left the decoder, on the pipeline's monotonic clock, in seconds."""
    picture: Picture = field(repr=False)
    wall: str | None = None
    """UTC, ISO 8601, of a live frame's arrival; None for files."""
    segment: int = 0
    """Counts changes of picture size within the stream."""
    shift: int = 0
    """How far the repaired `pts` of this part of the stream lie after the input's own."""
    looped_s: float = 0.0
    """How much later it comes than the same picture in the first round of a loop, in seconds."""

    def to_frame(self, stream: str, dropped: int) -> Frame:
        """Converts the picture to RGB.

        Args:
            stream: name of the stream.
            dropped: frames dropped since the last admitted one.

        Raises:
            SourceError: the picture cannot be converted.
        """
        picture = self.picture
        image = picture.to_rgb()
        return Frame(
            stream=stream,
            index=self.index,
            pts=self.pts,
            time_base=self.time_base,
            time_s=self.time_s,
            decoded_at_s=self.decoded_at_s,
            image=image,
            dropped=dropped,
            wall=self.wall,
            segment=self.segment,
            shift=self.shift,
            looped_s=self.looped_s,
            planes=picture.planes(image) if isinstance(picture, PlanarPicture) else None,
        )


class Source(Protocol):
    """One stream of frames. `open`, `frames` and `close` are called by one thread."""

    @property
    def name(self) -> str:
        """The stream's unique name."""
        ...

    @property
    def live(self) -> bool:
        """Whether it plays at its own pace, so that late frames are dropped."""
        ...

    def open(self) -> StreamInfo:
        """Opens a file, or starts a live source (whose sizes may come with a later event).

        Raises:
            SourceError: it cannot be opened.
        """
        ...

    def frames(self) -> Iterator[PendingFrame | Frame | StreamEvent]:
        """Decodes to the end.

        Frames come in order, with what happened between them as events. A source of one's own
        yields whole frames, each with a later time than the one before; its stream's name and
        `dropped` are filled in by the run.

        Raises:
            SourceError: it ended before its declared end, cannot be decoded, or was lost for good.
        """
        ...

    def interrupt(self) -> None:
        """Asks `frames` to end soon. Called from any thread, any number of times."""
        ...

    def close(self) -> None:
        """Frees everything; closing twice is fine."""
        ...
