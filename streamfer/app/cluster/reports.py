"""What a driver and its workers say to each other, and what a driver needs of workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from streamfer.media.sources.source_list import SourceSpec
from streamfer.types import StreamState

PER_STREAM = ("output", "records", "subtitles")
"""Outputs of which every stream has one of its own."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One worker's try at one file."""

    id: str
    """Unique over all runs; names the folder that it writes into."""
    unit: str
    """Which file it is: the name of its marker in `done/`."""
    number: int
    """Counted from 1."""
    spec: SourceSpec
    folder: Path
    """Where it writes."""


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """One file of an attempt, as its worker left it."""

    output: str
    """What it is: the folder within the attempt's, such as `records`."""
    name: str
    size: int
    sha256: str
    """Hex."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of a file."""

    frames: int
    faces: int
    seconds: float
    files: tuple[WrittenFile, ...]
    notes: tuple[str, ...] = ()
    input_size: int | None = None
    """Bytes of the input before it was read; None where it is no file."""
    input_mtime_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One stream on a worker, at one moment."""

    stream: str
    state: StreamState
    frames: int
    dropped: int
    faces: int
    fps: float
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has started."""

    worker: str
    node: str
    """The machine's name or address, for people."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A worker cannot take part, however often it is started."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt has ended well, as far as its worker knows."""

    worker: str
    attempt: str
    result: AttemptResult


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt has ended in an error."""

    worker: str
    attempt: str
    reason: str
    broken: bool
    """Whether the worker is to blame, such as for networks that do not run there."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker is gone, or never came up."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """What a worker is at."""

    worker: str
    streams: tuple[StreamFigures, ...]


Report = Ready | Refused | Done | Failed | Lost | Progress


class Workers(Protocol):
    """Starts workers somewhere and carries messages; one thread calls it.

    A worker that has been lost or ended is not heard of again. One whose loss has not been told yet
    may be given something, which `Lost` then takes back.
    """

    def start(self) -> str:
        """Begins to start one more; `Ready`, `Refused` or `Lost` follows.

        Returns:
            Its name.
        """
        ...

    def give(self, worker: str, attempt: Attempt) -> None:
        """Has a worker that is ready, and has nothing to do, analyse a file."""
        ...

    def watch(self, worker: str, cameras: Sequence[SourceSpec], lost_by: str | None) -> None:
        """Has a worker that is ready take more cameras.

        Args:
            worker: its name.
            cameras: the cameras.
            lost_by: the node that had them before, and is gone.
        """
        ...

    def end(self, worker: str) -> None:
        """Ends a worker at once, whatever it does."""
        ...

    def wait(self, timeout_s: float) -> list[Report]:
        """What has happened since; waits for something for so long.

        Raises:
            EngineError: the cluster is gone.
        """
        ...
