"""How far a run's records have come, which tells continuations from another run's files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Progress:
    """The last frame of each stream of a run.

    Args:
        header: of the run's first file.
    """

    def __init__(self, header: Mapping[str, Any]) -> None:
        self._sources = _sources(header)
        self._last: dict[Any, tuple[int, float]] = {}

    def add(self, frame: Mapping[str, Any]) -> None:
        """Takes the next frame's record."""
        self._last[frame["stream"]] = frame["frame"], frame["time_s"]

    def goes_on(self, header: Mapping[str, Any], first: Mapping[str, Any] | None) -> bool:
        """Whether another file may hold what comes next: numbers and times begin anew in each run.

        Args:
            header: of that file.
            first: its first frame; None where it has none.
        """
        if _sources(header) != self._sources:
            return False
        last = None if first is None else self._last.get(first["stream"])
        if first is None or last is None:
            return True
        return bool(first["frame"] > last[0] and first["time_s"] > last[1])


def _sources(header: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Name and source of each stream; sizes are learned while a camera runs."""
    streams = header.get("streams")
    entries = streams if isinstance(streams, list) else []
    return [(e.get("stream"), e.get("source")) for e in entries if isinstance(e, dict)]
