"""The files of one output, one after the other."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from streamfer.media.files.claims import (
    ClaimedPath,
    Companions,
    OutputClaims,
    first_free,
    no_companions,
    numbered,
)
from streamfer.media.files.numbering import Numbering
from streamfer.media.files.output_path import continuations, dated_path, segment_path
from streamfer.types import Frame

_log = logging.getLogger(__name__)

_MOST_NAMES = 3
"""Files that a note lists by name."""
_MOST_PATHS = 10_000
"""Files of one output that a run knows of at its end: with segments of a minute, a week."""


class FileSeries:
    """The files of one output, one after the other; used by one thread.

    Of a file's analysis, the first stands at the path that the user named and replaces what was
    there; continuations are numbered (`talk.1.mp4`, …) and step over names that are taken, and
    with them the stream's other outputs: what begins at the same frame has the same number. Of a
    live recording nothing is ever replaced: its continuations, its first file where that name is
    taken, and with `--segment` all of its files carry the wall time (`cam.20261128T142200Z.mp4`).

    Args:
        claims: the run's.
        path: as the user named it.
        live: whether what is written cannot be played again.
        companions: what is written beside each file.
        stream: whose output it is; None where several streams share it.

    Raises:
        OutputError: the path is an input.
    """

    def __init__(
        self,
        claims: OutputClaims,
        path: Path,
        live: bool = False,
        companions: Companions = no_companions,
        stream: str | None = None,
    ) -> None:
        claims.refuse_input(path)
        self._claims = claims
        self._path = path
        self._live = live
        self._companions = companions
        self._number = 0
        self._numbering = Numbering() if stream is None else claims.numbering(stream)
        self._numbering.join(lambda number: claims.is_free(segment_path(path, number), companions))
        self.count = 0
        """The files claimed so far."""
        self._last_paths: deque[Path] = deque(maxlen=_MOST_PATHS)
        self._before = set() if live else {found for _, found in continuations(path)}
        """What has the names of continuations, but was there before."""

    @property
    def paths(self) -> list[Path]:
        """The files claimed so far; of very many the last."""
        return list(self._last_paths)

    @property
    def note(self) -> str | None:
        """What the user should know of files that look like continuations and are none: the
        remains of an earlier run, or something else altogether."""
        strangers = [] if not self._before else list(self._strangers())
        if not strangers:
            return None
        names = ", ".join(path.name for path in strangers[:_MOST_NAMES])
        if len(strangers) > _MOST_NAMES:
            names += f" and {len(strangers) - _MOST_NAMES} more"
        return f"{self._path}: no part of it, from before this run: {names}"

    def _strangers(self) -> Iterator[Path]:
        for _, path in continuations(self._path):
            if path in self._before and not self._claims.wrote(path):
                yield path

    def become_live(self) -> bool:
        """From the next file on, what is written cannot be played again.

        Returns:
            Whether that is new: the file that is being written is replaced by the next run.
        """
        new, self._live = not self._live, True
        return new

    def next(self, frame: Frame | None = None) -> ClaimedPath:
        """Claims the next file.

        Args:
            frame: what it begins with; None: it is not known yet.

        Raises:
            OSError: it cannot be made.
            OutputError: it is an input, or another output of this run.
        """
        claimed = self._next_live(frame) if self._live else self._next_numbered(frame)
        self.count += 1
        self._last_paths.append(claimed)
        self._before.discard(claimed)
        self._claims.begin(self._path, claimed, self._companions)
        _log.info("%s: begun", claimed)
        return claimed

    def _next_numbered(self, frame: Frame | None) -> ClaimedPath:
        if not self.count:
            return self._claims.replace(self._path, self._companions)
        while True:
            index = None if frame is None else frame.index
            self._number = self._numbering.next(index, above=self._number)
            path = segment_path(self._path, self._number)
            claimed = self._claims.create(path, self._companions)
            if claimed is not None:
                return claimed

    def _next_live(self, frame: Frame | None) -> ClaimedPath:
        if not self.count and not self._claims.segmented:
            claimed = self._claims.create_named(self._path, self._companions)
            if claimed is not None:
                return claimed
        wall = None if frame is None else frame.wall
        now = self._claims.clock() if wall is None else datetime.fromisoformat(wall)
        return first_free(self._claims, numbered(dated_path(self._path, now)), self._companions)
