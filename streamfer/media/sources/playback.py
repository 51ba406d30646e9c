"""Playing a clip: part of it, several times over, as fast as it can be used or at its own rate."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from streamfer.errors import ConfigError
from streamfer.media.sources.source import PendingFrame, Picture
from streamfer.media.sources.timeline import Timeline


@dataclass(frozen=True, slots=True)
class PlaybackOptions:
    """Which part of a clip is played, and how.

    Raises:
        ConfigError: a value is out of its range.
    """

    start_s: float = 0.0
    """Begin here, in seconds of the clip."""
    duration_s: float | None = None
    """Seconds played of each round; None: to the end."""
    max_frames: int | None = None
    """Frames played in all rounds together; None: all."""
    loop: int = 1
    """Rounds."""
    realtime: bool = False
    """At the clip's own rate, as if it were live."""

    def __post_init__(self) -> None:
        if not self.start_s >= 0:
            raise ConfigError(f"start must be 0 s or more, not {self.start_s}")
        if self.duration_s is not None and not self.duration_s > 0:
            raise ConfigError(f"duration must be more than 0 s, not {self.duration_s}")
        if self.max_frames is not None and self.max_frames < 1:
            raise ConfigError(f"max-frames must be 1 or more, not {self.max_frames}")
        if self.loop < 1:
            raise ConfigError(f"loop must be 1 or more, not {self.loop}")

    def expected_frames(self, duration_s: float | None, frames: int | None) -> int | None:
        """How many frames a clip of this length will give; an estimate."""
        if frames is None or not duration_s:
            count = frames
        else:
            played = max(duration_s - self.start_s, 0.0)
            if self.duration_s is not None:
                played = min(played, self.duration_s)
            count = round(frames * played / duration_s)
        if count is None:
            return self.max_frames
        return min(count * self.loop, self.max_frames or count * self.loop)

    def expected_end_s(self, duration_s: float | None) -> float | None:
        """Where the times of a clip of this length will end, in seconds; None where unknown."""
        if duration_s is None:
            return None
        played = max(duration_s - self.start_s, 0.0)
        if self.duration_s is not None:
            played = min(played, self.duration_s)
        return self.start_s + self.loop * played


class SizedPicture(Picture, Protocol):
    """A picture that knows its size before it is converted."""

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the upright picture."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ClipFrame:
    """One picture of a clip, with the time that the clip claims for it."""

    pts: int | None
    duration_s: float
    """How long it is shown, in seconds; 0 where unknown."""
    picture: SizedPicture
    skipped: int = 0
    """Frames of the clip before this one, the first that is played; 0 for all others."""


class Player:
    """Turns the frames of a clip into the frames of a stream.

    Args:
        options: what to play.
        timeline: of the stream; repairs the clip's times. Where the clip is not played from its
            beginning, what comes before has been placed on it.
        clock: monotonic, in seconds; stamps the frames and paces `realtime`.
        wait: waits so many seconds and returns early if the player is stopped; only to be replaced
            together with the clock.
    """

    def __init__(
        self,
        options: PlaybackOptions,
        timeline: Timeline,
        clock: Callable[[], float],
        stopped: threading.Event,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        self._options = options
        self._timeline = timeline
        self._clock = clock
        self._stopped = stopped
        self._wait = wait or stopped.wait
        self._index = 0
        self._played = 0
        self._segment = 0
        self._size: tuple[int, int] | None = None
        self._began_s: float | None = None
        self._first_s: float | None = None
        self._looped_s = 0.0

    def frames(self, rounds: Callable[[int], Iterator[ClipFrame]]) -> Iterator[PendingFrame]:
        """Plays it.

        Args:
            rounds: given a round's number, counted from 0, the clip's frames from `start_s` on.
        """
        for number in range(self._options.loop):
            last: ClipFrame | None = None
            for clip_frame in self._cut(rounds(number)):
                if number == 0:
                    self._index += clip_frame.skipped
                frame = self._pending(clip_frame, begins_round=last is None)
                if self._stopped.is_set():
                    return
                yield frame
                if self._played == self._options.max_frames:
                    return
                last = clip_frame
            self._timeline.restart(gap_s=last.duration_s if last else 0.0)

    def _cut(self, clip: Iterator[ClipFrame]) -> Iterator[ClipFrame]:
        """The frames of one round that begin within `duration_s`."""
        if self._options.duration_s is None:
            yield from clip
            return
        # A tenth of a millisecond of grace: 0.1 s at 30 frames/s are three frames, not four.
        limit_s = self._options.duration_s - 1e-4
        timeline = self._timeline.fresh()
        for frame in clip:
            if timeline.place(frame.pts).time_s >= limit_s:
                return
            yield frame

    def _pending(self, clip_frame: ClipFrame, begins_round: bool) -> PendingFrame:
        instant = self._timeline.place(clip_frame.pts)
        if self._first_s is None:
            self._first_s = instant.time_s
        if begins_round:
            self._looped_s = instant.time_s - self._first_s
        size = clip_frame.picture.size_wh
        if self._size not in (None, size):
            self._segment += 1
        self._size = size
        wall = None
        if self._options.realtime:
            self._wait_until(instant.time_s)
            wall = datetime.now(UTC).isoformat()
        frame = PendingFrame(
            index=self._index,
            pts=instant.pts,
            time_base=self._timeline.time_base,
            time_s=instant.time_s,
            decoded_at_s=self._clock(),
            picture=clip_frame.picture,
            wall=wall,
            segment=self._segment,
            shift=instant.shift,
            looped_s=self._looped_s,
        )
        self._index += 1
        self._played += 1
        return frame

    def _wait_until(self, time_s: float) -> None:
        if self._began_s is None:
            self._began_s = self._clock() - time_s
        ahead_s = self._began_s + time_s - self._clock()
        if ahead_s > 0:
            self._wait(ahead_s)
