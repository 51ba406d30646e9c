"""What a pipeline is told, and what it tells of its run."""

from __future__ import annotations

from dataclasses import dataclass, field

from streamfer.errors import StreamferError
from streamfer.pipeline.collector import CollectorConfig
from streamfer.types import StreamInfo

_BYTES_PER_PIXEL = 4.5
"""Of a frame: RGB, and the decoder's planes."""


@dataclass(frozen=True, slots=True)
class PipelineConfig:
    """Sizes and limits of a pipeline."""

    queue_size: int = 8
    """Frames that wait at most on either side of the analyzer, per stream, …"""
    queue_bytes: int = 48 << 20
    """… and how much memory they may take there: two frames of 4K are 75 MB, which is the most."""
    max_frames: int | None = None
    """Frames to analyse per stream; None for all."""
    concurrent_files: int = 4
    """Files open at once; live streams do not count."""
    tick_s: float = 0.1
    """How often `run` calls back, in seconds."""
    stop_timeout_s: float = 5.0
    """How long a thread stuck in a read that nothing can interrupt may hold the exit."""
    collector: CollectorConfig = field(default_factory=CollectorConfig)

    def queue_size_of(self, info: StreamInfo) -> int:
        """How many of a stream's frames may wait on either side; two at least, so that the stages
        work side by side."""
        if not info.width or not info.height:
            return self.queue_size
        frame_bytes = info.width * info.height * _BYTES_PER_PIXEL
        return max(
            min(self.queue_size, int(self.queue_bytes / frame_bytes)), min(self.queue_size, 2)
        )


@dataclass(frozen=True, slots=True, eq=False)
class RunOutcome:
    """How a run ended that no stage's failure ended."""

    interrupted: bool
    """Whether `stop` or `abort` ended it."""
    source_failures: tuple[tuple[str, StreamferError], ...]
    """(stream, error) of sources that failed while the others went on."""
    output_failures: tuple[tuple[str, StreamferError], ...]
    """(output, error) of outputs that failed while the others went on."""
