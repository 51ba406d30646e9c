"""What a stream's results are handed to: records, annotated video, snapshots, the window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from streamfer.app.session.annotated_picture import AnnotatedPicture
from streamfer.app.session.segments import Segments
from streamfer.app.terminal.feed import WindowFeed, save_picture
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_path import wall_stamp
from streamfer.media.records.writer import RecordWriter
from streamfer.media.video.writer import VideoWriter
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FrameResult, StreamEvent, UInt8Array

if TYPE_CHECKING:
    from streamfer.media.records.latents import LatentWriter
from streamfer.vision.overlay.status_strip import offline_tile

_NO_PICTURE_SHAPE = (360, 640, 3)
"""Of the black picture of a stream that never had one."""


class RecordSink:
    """Hands results to the records, which all streams share; their owner closes them.

    Args:
        writer: the shared writer; it does its own locking.
        name: the path, for messages.
        times: where the time it takes is counted.
        segments: when to go on in a new file.
    """

    def __init__(
        self, writer: RecordWriter, name: str, times: StageTimes, segments: Segments
    ) -> None:
        self.name = name
        self._writer = writer
        self._times = times
        self._segments = segments

    def write(self, result: FrameResult) -> None:
        """Writes one frame's record."""
        with self._times.stage("records"), self._segments.recording(result.frame) as must_roll:
            if must_roll:
                self._writer.roll(result.frame)
            self._writer.write(result)

    def event(self, event: StreamEvent) -> None:
        """Writes an event's line."""
        self._writer.event(event)

    def close(self) -> None:
        """Leaves the shared writer open."""


class LatentSink:
    """Hands results to the file of latents, which all streams share; its owner closes it.

    Args:
        writer: the shared writer; it does its own locking.
        times: where the time it takes is counted, among the records.
    """

    def __init__(self, writer: LatentWriter, times: StageTimes) -> None:
        self.name = writer.name
        self._writer = writer
        self._times = times

    def write(self, result: FrameResult) -> None:
        """Writes the latents of one frame's faces."""
        with self._times.stage("records"):
            self._writer.write(result)

    def event(self, event: StreamEvent) -> None:
        """Events have no latents."""

    def close(self) -> None:
        """Leaves the shared writer open."""


class VideoSink:
    """Writes the annotated video; the file appears with the first frame.

    Args:
        name: the path, for messages.
        open_writer: opens the file.
        picture: draws the overlay.
        times: where the time of encoding is counted.
        segments: when to go on in a new file.
        on_finished: takes the writer once its file is complete.
    """

    def __init__(
        self,
        name: str,
        open_writer: Callable[[], VideoWriter],
        picture: AnnotatedPicture,
        times: StageTimes,
        segments: Segments,
        on_finished: Callable[[VideoWriter], None],
    ) -> None:
        self.name = name
        self._times = times
        self._segments = segments
        self._segment = 0
        self._on_finished = on_finished
        self._open_writer = open_writer
        self._picture = picture
        self._writer: VideoWriter | None = None

    def write(self, result: FrameResult) -> None:
        """Encodes one frame."""
        drawn = self._picture.draw(result)
        with self._times.stage("encode"):
            segment = self._segments.number(result.frame)
            if self._writer is None:
                self._writer = self._open_writer()
            elif segment != self._segment:
                self._writer.roll()
            self._segment = segment
            self._writer.write(result.frame, drawn.image, result.faces, drawn.changed)
        self._times.wrote("encode", drawn.image.nbytes // 2)  # YUV 4:2:0

    def event(self, event: StreamEvent) -> None:
        """Events do not show in the video."""

    def close(self) -> None:
        """Completes the file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            finally:
                self._on_finished(writer)


class SnapshotSink:
    """Saves an annotated picture every so often, as `NAME-SECONDS.png`, or of a live stream as
    `NAME.WALLTIME.png`; no file that exists is replaced.

    Args:
        folder: where to.
        every_s: media time between two pictures, in seconds.
        picture: draws the overlay.
        claims: the run's; None where nothing else is written.
    """

    def __init__(
        self,
        folder: Path,
        every_s: float,
        picture: AnnotatedPicture,
        claims: OutputClaims | None = None,
    ) -> None:
        self._claims = claims or OutputClaims()
        self.name = f"snapshots in {folder}"
        self._folder = folder
        self._every_s = every_s
        self._picture = picture
        self._next_s = 0.0

    def write(self, result: FrameResult) -> None:
        """Saves the frame if it is due."""
        frame = result.frame
        if frame.time_s < self._next_s:
            return
        self._next_s = (frame.time_s // self._every_s + 1) * self._every_s
        name = f"{frame.stream}-{frame.time_s:08.2f}.png"
        if frame.wall is not None:
            name = f"{frame.stream}.{wall_stamp(datetime.fromisoformat(frame.wall))}.png"
        save_picture(self._folder / name, self._picture.draw(result).image, self._claims)

    def event(self, event: StreamEvent) -> None:
        """Events leave no picture."""

    def close(self) -> None:
        """Nothing is open between two pictures."""


class WindowSink:
    """Hands a stream's pictures to the window.

    It comes before the sinks that draw, so that it can take the picture without the overlay.

    Args:
        feed: the window's.
        picture: draws the overlay.
    """

    name = "window"

    def __init__(self, feed: WindowFeed, picture: AnnotatedPicture) -> None:
        self._feed = feed
        self._picture = picture
        self._shown: UInt8Array = np.zeros(_NO_PICTURE_SHAPE, dtype=np.uint8)

    def write(self, result: FrameResult) -> None:
        """Shows the frame."""
        image = (
            self._picture.draw(result).image if self._feed.overlay else result.frame.image.copy()
        )
        self._shown = image
        self._feed.show(result.frame.stream, image)

    def event(self, event: StreamEvent) -> None:
        """A stream that is gone keeps its last picture, dimmed, with the reason."""
        if event.event in ("disconnected", "error"):
            reason = str(event.details.get("message", ""))
            self._feed.show(event.stream, offline_tile(self._shown, reason))

    def close(self) -> None:
        """The window belongs to the main thread."""
