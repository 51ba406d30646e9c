"""Files that wait for a worker, are with one, are done, or have failed for good."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from streamfer.media.sources.source_list import SourceSpec

MOST_ATTEMPTS = 3
"""At one file. What fails as often lies with the file."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One file to analyse."""

    id: str
    """Names its marker in `done/`."""
    spec: SourceSpec


@dataclass(frozen=True, slots=True)
class Taken:
    """A file that is with a worker."""

    unit: Unit
    worker: str
    number: int
    """Of the attempt, from 1."""


class _State:
    """What has become of a file so far."""

    __slots__ = ("attempts", "last_worker")

    def __init__(self) -> None:
        self.attempts = 0
        self.last_worker: str | None = None


class FileQueue:
    """Gives files out and takes them back; knows neither clocks nor disks.

    Args:
        units: what is to be done, in order.
        most_attempts: at one file.

    Attributes:
        failed: why, by the name of the stream, of files that are given up.
        done: how many are done.
    """

    def __init__(self, units: Iterable[Unit], most_attempts: int = MOST_ATTEMPTS) -> None:
        self._waiting = deque(units)
        self._most = most_attempts
        self._states: dict[str, _State] = {}
        self._running: dict[str, Taken] = {}
        self._returned: dict[str, Taken] = {}
        self.failed: dict[str, str] = {}
        self.done = 0

    @property
    def waiting(self) -> int:
        """Files that nobody has."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Files that a worker has, or whose results are being put in place."""
        return len(self._running) + len(self._returned)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self._waiting and not self.running

    def take(self, worker: str, attempt: str) -> Taken | None:
        """Gives a worker the next file, if it can, one that it has not failed at last.

        A file that has failed before is alone with its worker: should it end that again, nobody
        else is blamed.

        Args:
            worker: who asks.
            attempt: name of the attempt, never used before.

        Returns:
            None where no file waits for it.
        """
        in_hand = [self._running[other] for other in self.attempts_of(worker)]
        place = self._place_for(worker, alone=not in_hand)
        if place is None or any(taken.number > 1 for taken in in_hand):
            return None
        unit = self._waiting[place]
        del self._waiting[place]
        state = self._states.setdefault(unit.id, _State())
        state.attempts += 1
        state.last_worker = worker
        taken = Taken(unit, worker, state.attempts)
        self._running[attempt] = taken
        return taken

    def of(self, attempt: str) -> Taken | None:
        """The file of an attempt that still counts."""
        return self._running.get(attempt) or self._returned.get(attempt)

    def attempts_of(self, worker: str) -> list[str]:
        """The attempts that a worker is at."""
        return [attempt for attempt, taken in self._running.items() if taken.worker == worker]

    def give_back(self, attempt: str) -> None:
        """Notes that a worker has done its part; `succeed` or `fail` follows."""
        self._returned[attempt] = self._running.pop(attempt)

    def succeed(self, attempt: str) -> None:
        """Notes that an attempt's results are in place."""
        taken = self._pop(attempt)
        self._states.pop(taken.unit.id)
        self.done += 1

    def fail(self, attempt: str, reason: str) -> bool:
        """Takes a file back: to the end of the queue, or for good.

        Returns:
            Whether it is given up.
        """
        taken = self._pop(attempt)
        if taken.number >= self._most:
            self._states.pop(taken.unit.id)
            self.failed[taken.unit.spec.name] = f"{reason} (attempt {taken.number})"
            return True
        self._waiting.append(taken.unit)
        return False

    def _pop(self, attempt: str) -> Taken:
        return self._running.pop(attempt, None) or self._returned.pop(attempt)

    def _place_for(self, worker: str, *, alone: bool) -> int | None:
        """Where the next file for a worker stands; None where there is none."""
        failed_here = None
        for place, unit in enumerate(self._waiting):
            state = self._states.get(unit.id)
            if state is None:
                return place
            if alone and state.last_worker != worker:
                return place
            if alone and failed_here is None:
                failed_here = place
        return failed_here
