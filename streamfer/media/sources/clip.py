"""What all sources that play a clip have in common."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from streamfer.media.sources.playback import ClipFrame, PlaybackOptions, Player
from streamfer.media.sources.source import PendingFrame
from streamfer.media.sources.timeline import Timeline
from streamfer.types import StreamInfo


class ClipSource(ABC):
    """A source with a beginning: lossless, played from it in order, some times over.

    With `realtime` it plays at its own rate as if it were live. Whoever derives from it says what
    it opens and what comes in a round, and holds `_reading` while it opens what may take long.

    Args:
        name: of the stream.
        options: what part of the clip to play, and how.
        clock: monotonic, in seconds.
    """

    def __init__(
        self,
        name: str,
        options: PlaybackOptions | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._options = options or PlaybackOptions()
        self._clock = clock
        self._stopped = threading.Event()
        self._reading = threading.Lock()
        """Held while a thread reads, which may last until the other side says something."""

    @property
    def name(self) -> str:
        """The stream's unique name."""
        return self._name

    @property
    def live(self) -> bool:
        """Whether it plays at its own rate."""
        return self._options.realtime

    @abstractmethod
    def open(self) -> StreamInfo:
        """Opens the clip.

        Raises:
            SourceError: it cannot be opened.
        """

    def frames(self) -> Iterator[PendingFrame]:
        """Plays the clip to its end.

        Raises:
            SourceError: it is not open, ends before its declared end, or cannot be decoded.
        """
        timeline = self._timeline()
        player = Player(self._options, timeline, self._clock, self._stopped)
        frames = player.frames(lambda number: self._round(number, timeline))
        while True:
            with self._reading:
                frame = next(frames, None)
            if frame is None:
                return
            yield frame

    def interrupt(self) -> None:
        """Makes `frames` end at the next frame."""
        self._stopped.set()

    def close(self) -> None:
        """Frees everything; closing twice is fine.

        While another thread reads, it only makes that end: what it reads from cannot be freed under
        its feet, and it closes the source itself.
        """
        if not self._reading.acquire(blocking=False):
            self.interrupt()
            return
        try:
            self._free()
        finally:
            self._reading.release()

    @abstractmethod
    def _free(self) -> None:
        """Frees everything; twice is fine. No other thread reads."""

    @abstractmethod
    def _timeline(self) -> Timeline:
        """Of the stream, with what comes before the first frame that is played placed on it."""

    @abstractmethod
    def _round(self, number: int, timeline: Timeline) -> Iterator[ClipFrame]:
        """The clip's frames from the start on, for a round counted from 0."""
