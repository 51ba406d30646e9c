"""Gathers frames of all streams into batches for the one analyzer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from streamfer.media.sources.source import PendingFrame
from streamfer.pipeline.channel import ChannelGroup
from streamfer.pipeline.lane import Lane
from streamfer.types import Frame


@dataclass(frozen=True, slots=True)
class CollectorConfig:
    """How batches are formed."""

    max_batch: int = 16
    """Frames of all streams in one batch."""
    frames_per_file: int = 4
    """Consecutive frames that a file may give to one batch; a live stream gives its newest one."""
    max_wait_s: float = 0.003
    """How long a batch waits for further streams after its first frame."""


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """A frame taken from a lane, for which the lane's output has a place set aside."""

    lane: Lane
    item: PendingFrame | Frame
    dropped: int


class Collector:
    """Takes frames from lanes, fairly, and only where their results have somewhere to go."""

    def __init__(
        self,
        group: ChannelGroup,
        config: CollectorConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._group = group
        self._config = config
        self._clock = clock
        self._lanes: list[Lane] = []
        self._start = 0
        self._closed = False

    def add(self, lane: Lane) -> None:
        """Lets a stream take part from the next batch on."""
        with self._group.lock:
            self._lanes.append(lane)
            self._group.activity.notify()

    def close(self) -> None:
        """No further lane will be added: ends when those that are here are exhausted."""
        with self._group.lock:
            self._closed = True
            self._group.activity.notify()

    def next_batch(self) -> tuple[list[Admission], list[Lane]] | None:
        """Waits for frames.

        Returns:
            The batch (a stream's frames in order, no stream twice as the first) and the lanes that
            have ended after it; either may be empty but not both. None when all is over.
        """
        with self._group.lock:
            batch: list[Admission] = []
            deadline: float | None = None
            while True:
                self._fill(batch)
                ended = self._remove_ended()
                if ended or self._complete(batch):
                    return batch, ended
                if batch:
                    now = self._clock()
                    deadline = now + self._config.max_wait_s if deadline is None else deadline
                    if now >= deadline:
                        return batch, ended
                    self._group.activity.wait(deadline - now)
                elif self._closed and not self._lanes:
                    return None
                else:
                    self._group.activity.wait()

    def _fill(self, batch: list[Admission]) -> None:
        """Takes what is there, one lane after the other from a rotating start."""
        count = len(self._lanes)
        for offset in range(count):
            lane = self._lanes[(self._start + offset) % count]
            self._take(lane, batch)
        if count:
            self._start = (self._start + 1) % count

    def _take(self, lane: Lane, batch: list[Admission]) -> None:
        limit = self._config.frames_per_file if lane.plan.lossless else 1
        taken = sum(1 for admission in batch if admission.lane is lane)
        while (
            taken < limit
            and len(batch) < self._config.max_batch
            and lane.remaining != 0
            and lane.inbox.ready_locked()
            and lane.outbox.reserve_locked()
        ):
            item, dropped = lane.inbox.take_locked()
            batch.append(Admission(lane, item, dropped))
            taken += 1
            if lane.remaining is not None:
                lane.remaining -= 1

    def _remove_ended(self) -> list[Lane]:
        ended = [
            lane for lane in self._lanes if lane.remaining == 0 or lane.inbox.exhausted_locked()
        ]
        if ended:
            self._lanes = [lane for lane in self._lanes if lane not in ended]
            self._start = 0
        return ended

    def _complete(self, batch: list[Admission]) -> bool:
        """Whether waiting could add nothing: the batch is full or every stream is in it."""
        if not batch:
            return False
        return len(batch) >= self._config.max_batch or len(
            {admission.lane.name for admission in batch}
        ) == len(self._lanes)
