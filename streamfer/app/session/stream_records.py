"""Records of a single stream, in a file of its own (`--records 'out/{stream}.jsonl'`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from streamfer.app.session.segments import Segments
from streamfer.media.records.writer import RecordWriter
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import FrameResult, StreamEvent


class StreamRecordSink:
    """Writes one stream's frames and events; the file appears with the first of them.

    Args:
        path: of the (first) file.
        open_writer: opens it.
        times: where the time it takes is counted.
        segments: when to go on in a new file.
        on_finished: takes the writer once its file is complete.
    """

    def __init__(
        self,
        path: Path,
        open_writer: Callable[[], RecordWriter],
        times: StageTimes,
        segments: Segments,
        on_finished: Callable[[RecordWriter], None],
    ) -> None:
        self.name = str(path)
        self._open_writer = open_writer
        self._times = times
        self._segments = segments
        self._segment = 0
        self._on_finished = on_finished
        self._writer: RecordWriter | None = None

    def write(self, result: FrameResult) -> None:
        """Writes one frame's record."""
        with self._times.stage("records"):
            segment = self._segments.number(result.frame)
            begun = self._writer is not None
            writer = self._opened()
            if begun and segment != self._segment:
                writer.roll(result.frame)
            self._segment = segment
            writer.write(result)

    def event(self, event: StreamEvent) -> None:
        """Writes an event's line."""
        self._opened().event(event)

    def close(self) -> None:
        """Completes the file."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            self._on_finished(writer)

    def _opened(self) -> RecordWriter:
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer
