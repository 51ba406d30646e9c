"""What the streams of a run share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamfer.app.config import RunConfig
from streamfer.app.session.segments import Segments
from streamfer.app.terminal.feed import WindowFeed
from streamfer.errors import ConfigError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.writer import RecordWriter
from streamfer.media.subtitles.writer import SubtitleWriter
from streamfer.media.video.writer import VideoWriter
from streamfer.pipeline.cpu_budget import CpuBudget
from streamfer.pipeline.events.detector import EventConfig
from streamfer.pipeline.outlet import Sink
from streamfer.pipeline.refine.refiner import Refiner
from streamfer.pipeline.stats.stats import RunStatistics
from streamfer.pipeline.stats.timing import StageTimes
from streamfer.types import StreamEvent, StreamInfo
from streamfer.vision.heads.head import FaceHead
from streamfer.vision.overlay.overlay import Overlay

if TYPE_CHECKING:
    from streamfer.media.records.latents import LatentWriter


class Tally:
    """Counts what happens; any thread may."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.count = 0

    def add(self) -> None:
        """Counts one more."""
        with self._lock:
            self.count += 1


@dataclass(frozen=True, slots=True, eq=False)
class RunParts:
    """What all streams of a run share."""

    config: RunConfig
    statistics: RunStatistics
    times: StageTimes
    overlay: Overlay
    records: RecordWriter | None
    feed: WindowFeed | None
    """None where no window is shown."""
    claims: OutputClaims
    """What the run may write."""
    run: str
    """By which its records files know each other."""
    latents: LatentWriter | None = None
    refiner: Refiner | None = None
    notes: list[str] = field(default_factory=list)
    """What the summary has to say of the outputs, added as they are completed."""
    videos: list[Path] = field(default_factory=list)
    """Annotated videos and pictures, added as they are completed."""
    clips: Tally = field(default_factory=Tally)
    """How many clips have been written."""
    record_files: list[Path] = field(default_factory=list)
    """Records and subtitles of single streams, added as they are completed."""
    segments: Segments = field(default_factory=Segments)
    """When video and records go on in new files."""
    extra: Sequence[Sink] = ()
    """Further sinks of every stream, before those that draw into the pictures."""
    deliver: Sequence[Callable[[str], Sink]] = ()
    """Makes those, by the stream's name, that hand results and events to other programs."""
    draw_faces: bool = True
    """Whether somebody sees how the faces are drawn."""
    keep_pictures: bool = False
    """Whether the results' pictures stay as they came, so that the overlay goes over copies."""
    announce: Callable[[StreamEvent], None] = lambda event: None
    """Takes events to the streams' outputs."""
    heads: tuple[FaceHead, ...] = ()
    """What else is said of each face."""
    events: EventConfig | None = None
    """What makes an event; None for no events."""
    budget: CpuBudget | None = None
    """Of processor time; None for no limit."""

    def join(self, stream: StreamInfo) -> None:
        """Takes a stream that joins the run into what all streams share.

        Raises:
            ConfigError: the next run would write over what cannot be played again.
            OutputError: records cannot be written.
        """
        if self.latents is not None and stream.unrepeatable and not self.latents.live:
            raise ConfigError(
                f"--latents {self.config.latents}: the next run writes over it, and a camera cannot"
                " be played again; begin the run with a camera, or without --latents"
            )
        if self.records is not None:
            self.records.join(stream)

    def video_finished(self, writer: VideoWriter) -> None:
        """Notes a completed video; called by output threads."""
        self.notes.extend(writer.notes)
        self.videos.extend(writer.paths)

    def note_clip(self, path: Path) -> None:
        """Notes a written clip; called by output threads. Its path is not kept: a run writes
        clips for months."""
        self.clips.add()

    def text_finished(self, writer: RecordWriter | SubtitleWriter) -> None:
        """Notes one stream's completed records or subtitles; called by output threads."""
        self.notes.extend(writer.notes)
        self.record_files.extend(writer.paths)

    def written(self, except_for: Set[str]) -> list[Path]:
        """The files that the run has completed; called once all outputs are closed.

        Args:
            except_for: names of outputs that have failed.
        """
        paths = [*sorted(self.videos), *sorted(self.record_files)]
        if self.records is not None:
            self.notes.extend(self.records.notes)
            if self.records.name not in except_for:
                paths.extend(self.records.paths)
        if self.latents is not None and self.latents.name not in except_for:
            paths.append(self.latents.path)
        return paths
