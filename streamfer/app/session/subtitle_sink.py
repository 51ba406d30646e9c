"""`--subtitles`: one stream's, in a file of its own."""

from __future__ import annotations

from collections.abc import Callable

from streamfer.app.session.segments import Segments
from streamfer.media.subtitles.writer import SubtitleWriter
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FrameResult, StreamEvent


class SubtitleSink:
    """Hands one stream's results to its subtitles; the file appears with the first frame.

    Args:
        writer: of the stream.
        times: where the time it takes is counted, among the records.
        segments: when to go on in a new file.
        on_finished: takes the writer once its file is complete.
    """

    def __init__(
        self,
        writer: SubtitleWriter,
        times: StageTimes,
        segments: Segments,
        on_finished: Callable[[SubtitleWriter], None],
    ) -> None:
        self.name = writer.name
        self._writer = writer
        self._times = times
        self._segments = segments
        self._segment = 0
        self._on_finished = on_finished
        self._closed = False

    def write(self, result: FrameResult) -> None:
        """Takes one frame."""
        with self._times.stage("records"):
            segment = self._segments.number(result.frame)
            if segment != self._segment:
                self._writer.roll()
            self._segment = segment
            self._writer.write(result)

    def event(self, event: StreamEvent) -> None:
        """Events have no subtitles."""

    def close(self) -> None:
        """Completes the file; closing twice is fine."""
        if not self._closed:
            self._closed = True
            try:
                self._writer.close()
            finally:
                self._on_finished(self._writer)
