"""`--clips DIR`: a video around every event."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from streamfer.app.session.sources import OpenedStream
from streamfer.errors import SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_path import wall_stamp
from streamfer.media.sources.file import FileSource
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.live import LiveSource
from streamfer.media.video.clips import ClipFiles, ClipSource, LiveClips
from streamfer.media.video.file_clips import FileClips
from streamfer.types import Frame, FrameResult, StreamEvent

_OF_THE_PICTURE = frozenset(
    {"face_appeared", "expression_changed", "expression_held", "reaction", "rule"}
)
"""Events that get a clip; of one that leaves nothing is to be seen."""
_SHARED_S = 1.0
"""An event so soon after another one shares its clip."""
_MOST_ROUNDS = 1000
"""Of a loop in which events may still wait for their clip."""


@dataclass(frozen=True, slots=True)
class ClipConfig:
    """What a clip is."""

    folder: Path
    before_s: float = 5.0
    after_s: float = 5.0


class _Rounds:
    """The latest rounds of a loop: each plays the clip from its beginning."""

    def __init__(self) -> None:
        self._rounds: deque[tuple[float, float]] = deque([(-math.inf, 0.0)], maxlen=_MOST_ROUNDS)
        """When each began, and how much later it is than the first."""

    def follow(self, frame: Frame) -> None:
        """Sees every frame."""
        if frame.looped_s != self._rounds[-1][1]:
            self._rounds.append((frame.time_s, frame.looped_s))

    def within(self, time_s: float, begin_s: float, end_s: float) -> tuple[float, float]:
        """What of a span lies in the round of a moment in it, in times of the first round."""
        from_s, looped_s, to_s = *self._rounds[0], math.inf
        for began_s, later_s in self._rounds:
            if began_s > time_s:
                to_s = began_s
                break
            from_s, looped_s = began_s, later_s
        return max(begin_s, from_s) - looped_s, min(end_s, to_s) - looped_s


class ClipSink:
    """Cuts one stream's clips, each as soon as all of it is there.

    Args:
        stream: its name.
        config: what a clip is.
        open_source: makes what clips are cut from, of the stream's first frame.
        claims: the run's.
        on_written: takes each finished file.
        notes: gets what the summary has to say, once, where the stream cannot be cut.
    """

    def __init__(
        self,
        stream: str,
        config: ClipConfig,
        open_source: Callable[[Frame], ClipSource],
        claims: OutputClaims,
        on_written: Callable[[Path], None] = lambda path: None,
        notes: list[str] | None = None,
    ) -> None:
        # Streams' clips fail one by one, so their names differ.
        self.name = f"clips of {stream} in {config.folder}"
        self._stream = stream
        self._notes = notes
        self._config = config
        self._open_source = open_source
        self._claims = claims
        self._on_written = on_written
        self._source: ClipSource | None = None
        self._rounds = _Rounds()
        self._waiting: list[StreamEvent] = []

    def write(self, result: FrameResult) -> None:
        """Cuts what has come to its end with this frame."""
        if self._source is None:
            self._source = self._open_source(result.frame)
        self._source.follow(result.frame)
        self._rounds.follow(result.frame)
        end_s = result.frame.time_s - self._config.after_s
        while self._waiting and self._waiting[0].time_s <= end_s:
            self._cut(self._waiting.pop(0))

    def event(self, event: StreamEvent) -> None:
        """Notes that a clip is due."""
        if event.event == "disconnected":  # what is there will not be there for long
            self._cut_all()
        if event.event not in _OF_THE_PICTURE:
            return
        if self._waiting and event.time_s - self._waiting[-1].time_s < _SHARED_S:
            return
        self._waiting.append(event)

    def close(self) -> None:
        """Cuts what is left, as far as the stream went."""
        try:
            self._cut_all()
        finally:
            source, self._source = self._source, None
            if source is not None:
                source.close()
                if source.problem is not None:
                    self._note(f"--clips: {self._stream} gives none: {source.problem}")

    def _cut_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for event in waiting:
            self._cut(event)

    def _cut(self, event: StreamEvent) -> None:
        assert self._source is not None  # events come after frames
        config = self._config
        moment = f"-{event.time_s:08.2f}"
        if event.wall is not None:
            moment = f".{wall_stamp(datetime.fromisoformat(event.wall))}"
        files = ClipFiles(config.folder / f"{event.stream}{moment}.{event.event}", self._claims)
        begin_s, end_s = event.time_s - config.before_s, event.time_s + config.after_s
        span_s = self._rounds.within(event.time_s, begin_s, end_s)
        try:
            written = self._source.write(files, *span_s)
        except SourceError as error:
            self._note(f"--clips: {self._stream}: {error}")
            return
        if written is not None:
            self._on_written(written)

    def _note(self, text: str) -> None:
        if self._notes is not None:
            self._notes.append(text)
            self._notes = None  # the next clip may do, but would say the same


def clip_sinks(
    config: ClipConfig,
    stream: OpenedStream,
    claims: OutputClaims,
    on_written: Callable[[Path], None],
    notes: list[str],
) -> list[ClipSink]:
    """What cuts a stream's clips; nothing, with a note, of what has no packets.

    Args:
        config: what a clip is.
        stream: of which.
        claims: the run's.
        on_written: takes each finished file.
        notes: what the summary has to say is added here.
    """
    source, path = stream.source, Path(stream.spec.location)
    memory = source.packets if isinstance(source, LiveSource) else None
    once = isinstance(source, FileSource) and source.is_pipe
    if memory is None and (once or stream.spec.kind is not SourceKind.FILE):
        notes.append(f"--clips: {stream.info.stream} has no packets to cut clips from")
        return []

    def open_source(first: Frame) -> ClipSource:
        if memory is not None:
            return LiveClips(memory)
        return FileClips(path, float(first.pts * first.time_base) - first.time_s)

    name = stream.info.stream
    return [ClipSink(name, config, open_source, claims, on_written, notes)]
