"""Which workers there are, which are starting, and how often that has failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from streamfer.errors import EngineError

_MOST_FAILURES = 3
"""In a row, with nothing done in between, until one worker less is wanted."""
START_TIMEOUT_S = 600.0
"""Without any worker that is ready: a cluster may have to start machines first."""


@dataclass(slots=True)
class Member:
    """One worker."""

    name: str
    node: str | None = None
    """None until it is ready."""


class Fleet:
    """Keeps as many workers as are wanted, as long as they come up at all.

    Args:
        wanted: how many.
        clock: monotonic seconds.

    Attributes:
        wanted: how many still are: one that cannot come up is given up.
        lost: how many were lost after they were ready.
        reasons: why workers were given up.
    """

    def __init__(self, wanted: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._alone_since_s = clock()
        self.wanted = wanted
        self.lost = 0
        self.reasons: list[str] = []
        self._members: dict[str, Member] = {}
        self._failures = 0

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def __getitem__(self, name: str) -> Member:
        return self._members[name]

    @property
    def ready(self) -> int:
        """Workers that can be given something."""
        return sum(member.node is not None for member in self._members.values())

    def missing(self, most: int) -> int:
        """How many are to be started.

        Args:
            most: of all that there is work for.
        """
        return max(0, min(self.wanted, most) - len(self._members))

    def started(self, name: str) -> None:
        """Notes a worker that is starting."""
        self._members[name] = Member(name)

    def became_ready(self, name: str, node: str) -> None:
        """Notes that a worker has started."""
        self._members[name].node = node

    def did_something(self) -> None:
        """Notes that a worker has been of use, so that what failed before is forgotten."""
        self._failures = 0

    def refused(self, name: str, reason: str) -> None:
        """Notes a worker that can never take part: one less is wanted."""
        del self._members[name]
        self._give_one_up(reason)

    def gone(self, name: str, reason: str) -> Member:
        """Notes that a worker is no more, or did not come up."""
        member = self._members.pop(name)
        if not self.ready:
            self._alone_since_s = self._clock()
        if member.node is not None:
            self.lost += 1
        self._failures += 1
        if self._failures >= _MOST_FAILURES:
            self._failures = 0
            self._give_one_up(reason)
        return member

    def demand_anybody(self) -> None:
        """Makes sure that there is somebody to work, now or soon.

        Raises:
            EngineError: there is not.
        """
        if self.wanted <= 0:
            raise EngineError(f"no worker can take part: {'; '.join(self.reasons)}")
        waited_s = self._clock() - self._alone_since_s
        if not self.ready and waited_s > START_TIMEOUT_S:
            raise EngineError(
                f"no worker has started for {waited_s / 60:.0f} minutes: the cluster has no free"
                " place of the size that is asked for (--cpus-per-worker, --gpu-share)"
            )

    def _give_one_up(self, reason: str) -> None:
        self.wanted -= 1
        if reason not in self.reasons:
            self.reasons.append(reason)
