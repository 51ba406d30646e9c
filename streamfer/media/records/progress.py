"""How far a run's records have come, which tells continuations from another run's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Progress:
    """The run that records are of and, for files of versions that did not name it, the last frame
    of each of its streams.

    Args:
        header: of the run's first file.
    """

    def __init__(self, header: Mapping[str, Any]) -> None:
        self._run = header.get("run")
        self._sources = _sources(header)
        self._last: dict[Any, tuple[int | None, float]] = {}

    @property
    def knows_run(self) -> bool:
        """Whether the header names the run, so that nobody has to know how far it has come."""
        return self._run is not None

    def add(self, frame: Mapping[str, Any]) -> None:
        """Takes the next frame's record."""
        self._last[frame["stream"]] = frame.get("frame"), frame["time_s"]

    def goes_on(self, header: Mapping[str, Any], first: Mapping[str, Any] | None) -> bool:
        """Whether another file may hold what comes next: it is of the same run or, where neither
        names one, begins after the last frame. Numbers and times begin anew in each run, so what
        an earlier one left may fit behind a newer one by these alone.

        Args:
            header: of that file.
            first: its first frame; None where it has none.
        """
        run = header.get("run")
        if self._run is not None or run is not None:
            return bool(run == self._run)
        if _sources(header) != self._sources:
            return False
        last = None if first is None else self._last.get(first["stream"])
        if first is None or last is None:
            return True
        number, last_number = first.get("frame"), last[0]
        if number is not None and last_number is not None and number <= last_number:
            return False
        return bool(first["time_s"] > last[1])


def _sources(header: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Name and source of each stream; sizes are learned while a camera runs."""
    streams = header.get("streams")
    entries = streams if isinstance(streams, list) else []
    return [(e.get("stream"), e.get("source")) for e in entries if isinstance(e, dict)]
