"""FFmpeg's filter graphs as a source: test pictures, generated video, anything `lavfi` can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import av

from streamfer.errors import SourceError
from streamfer.media.redact import redact_error, redact_text
from streamfer.media.sources.clip import ClipSource
from streamfer.media.sources.demux import decoded
from streamfer.media.sources.picture import DecodedPicture, RgbConverter
from streamfer.media.sources.playback import ClipFrame, PlaybackOptions
from streamfer.media.sources.timeline import Timeline
from streamfer.types import StreamInfo

_FALLBACK_FRAME_S = 1 / 25
"""Duration of a frame where a graph declares no rate, in seconds."""


class LavfiSource(ClipSource):
    """A filter graph, played like a file: every frame, as fast as it can be used.

    Many graphs never end; `--duration` or `--max-frames` end them.

    Args:
        graph: in FFmpeg's notation, such as `testsrc2=size=640x360:rate=30`.
        name: of the stream.
        options: what part of it to play, and how.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        graph: str,
        name: str,
        options: PlaybackOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(name, options, clock)
        self._graph = graph
        self._label = f"lavfi:{redact_text(graph)}"
        self._converter = RgbConverter()
        self._container: av.container.InputContainer | None = None

    def open(self) -> StreamInfo:
        """Builds the graph.

        Raises:
            SourceError: it is not valid, or gives no video.
        """
        with self._reading:
            self._container = self._build()
        stream = self._container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        return StreamInfo(
            stream=self._name,
            source=self._label,
            width=stream.codec_context.width,
            height=stream.codec_context.height,
            live=self.live,
            frame_rate=float(rate) if rate else None,
            from_clip=True,
        )

    def _timeline(self) -> Timeline:
        if self._container is None:
            raise SourceError(f"{self._label} is not open")
        stream = self._container.streams.video[0]
        rate = stream.average_rate or stream.guessed_rate
        return Timeline(stream.time_base, float(1 / rate) if rate else _FALLBACK_FRAME_S)

    def _free(self) -> None:
        container, self._container = self._container, None
        if container is not None:
            container.close()

    def _build(self) -> av.container.InputContainer:
        try:
            container = av.open(self._graph, format="lavfi")
        except (av.error.FFmpegError, ValueError) as error:
            raise self._failure(error) from error
        if not container.streams.video:
            container.close()
            raise SourceError(f"{self._label} gives no video")
        return container

    def _round(self, number: int, timeline: Timeline) -> Iterator[ClipFrame]:
        if number > 0:
            self._free()
            self._container = self._build()
        if self._container is None:
            return
        stream = self._container.streams.video[0]
        first_s: float | None = None
        skipped = 0
        for frame in self._decode(self._container):
            time_s = frame.time or 0.0
            first_s = time_s if first_s is None else first_s
            if time_s - first_s < self._options.start_s:
                skipped += 1
                if number == 0:
                    timeline.place(frame.pts)
                continue
            picture = DecodedPicture(frame, self._converter, stream.sample_aspect_ratio)
            duration_s = float(frame.duration * stream.time_base)
            yield ClipFrame(frame.pts, duration_s, picture, skipped)
            skipped = 0

    def _decode(self, container: av.container.InputContainer) -> Iterator[av.VideoFrame]:
        try:
            yield from decoded(container, container.streams.video[0])
        except av.error.FFmpegError as error:
            raise self._failure(error) from error

    def _failure(self, error: Exception) -> SourceError:
        redact_error(error)
        reason = getattr(error, "strerror", None) or str(error)
        return SourceError(f"{self._label}: {redact_text(reason)}")
