"""Which files a run may write, asked whenever one is created.

Every output opens its files under paths that come from here (`ClaimedPath`), so that no output,
continuation or snapshot can ever destroy an input, another output, or a file that nobody named.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import NewType

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.numbering import Numbering
from streamfer.media.files.output_path import segment_path
from streamfer.media.redact import redact_text

ClaimedPath = NewType("ClaimedPath", Path)
"""A path that this run may write."""

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:/")
"""What paths make of `scheme://`."""

_MOST_UNNAMED = 1024
"""Marks that are remembered of files that nobody has named. A run may make one a second for months;
the older ones are long whole, and their being there protects them."""

Companions = Callable[[Path], tuple[Path, ...]]
"""Names the files that are written beside a file, such as its journal."""


def no_companions(path: Path) -> tuple[Path, ...]:
    """Of a file that stands alone."""
    return ()


class OutputClaims:
    """Every path that a run writes, held against its inputs and against each other.

    Any thread may ask.

    Args:
        inputs: files that the run reads.
        segmented: whether outputs go on in new files by time, so that every file of a live
            recording carries its own time.
        clock: the time of day, for the names of live recordings.
    """

    def __init__(
        self,
        inputs: Iterable[Path] = (),
        segmented: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.segmented = segmented
        self.clock = clock
        self._lock = threading.Lock()
        self._inputs = {key: path for path in inputs for key in _identities(path)}
        self._named: dict[object, str] = {}
        self._written: set[object] = set()
        """Of files that were named."""
        self._unnamed: dict[object, None] = {}
        """The last of the others."""
        self._current: dict[Path, frozenset[object]] = {}
        """What is being written of each series, however long that takes."""
        self._numberings: dict[str, Numbering] = {}

    def name(self, flag: str, path: Path, companions: Companions = no_companions) -> None:
        """Notes a path that the user has named for an output: what stands there may be replaced.

        Args:
            flag: the option that names it, for messages.
            path: of the output.
            companions: what is written beside it.

        Raises:
            ConfigError: it is an input or another output, or a companion is; or it is an address.
        """
        if _ADDRESS.match(str(path)):
            raise ConfigError(f"{flag} {redact_text(str(path))}: is an address; name a file")
        with self._lock:
            for each in (path, *companions(path)):
                beside = "" if each == path else f" (writes {each.name} beside it)"
                for key in _identities(each):
                    if key in self._inputs:
                        raise ConfigError(
                            f"{flag} {path}{beside}: is the input {self._inputs[key]}; choose"
                            " another name"
                        )
                    if key in self._named:
                        raise ConfigError(
                            f"{flag} {path}{beside}: the same file as {self._named[key]}"
                        )
            for each in (path, *companions(path)):
                self._named.update(dict.fromkeys(_identities(each), flag))

    def add_inputs(self, inputs: Iterable[Path]) -> None:
        """Notes further files that the run reads.

        Raises:
            ConfigError: the run writes one of them.
        """
        with self._lock:
            for path in inputs:
                keys = _identities(path)
                if any(key in self._named or self._has_written(key) for key in keys):
                    raise ConfigError(f"{path}: is an output of this run")
                self._inputs.update(dict.fromkeys(keys, path))

    @contextmanager
    def taken_back_on_failure(self) -> Iterator[None]:
        """What is named while this lasts is free again where it ends with an error; nobody else
        may name anything meanwhile."""
        with self._lock:
            inputs, named = dict(self._inputs), dict(self._named)
        try:
            yield
        except BaseException:
            with self._lock:
                self._inputs, self._named = inputs, named
            raise

    def replace(self, path: Path, companions: Companions = no_companions) -> ClaimedPath:
        """Claims a path that the user has named, whatever stands there.

        Raises:
            OutputError: it is an input, or this run has written it for another output.
        """
        with self._lock:
            for each in (path, *companions(path)):
                self.refuse_input(each)
                if any(map(self._has_written, _identities(each))):
                    raise OutputError(f"{each}: another output of this run stands there")
            self._written |= _marks(path, companions)
        return ClaimedPath(path)

    def refuse_input(self, path: Path) -> None:
        """Makes sure that a path is no input.

        Raises:
            OutputError: it is one.
        """
        for key in _identities(path):
            if key in self._inputs:
                raise OutputError(
                    f"{path}: is the input {self._inputs[key]}; choose another name for the output"
                )

    def create(self, path: Path, companions: Companions = no_companions) -> ClaimedPath | None:
        """Claims a path for a file that nobody has named, making it there and then.

        Returns:
            None where the name is taken: by an input, by an output, by any file at all.

        Raises:
            OSError: the file cannot be made.
        """
        with self._lock:
            if any(self._is_reserved(each) for each in (path, *companions(path))):
                return None
            claimed = self._make(path, companions)
            if claimed is not None:
                self._unnamed.update(dict.fromkeys(_marks(path, companions)))
                while len(self._unnamed) > _MOST_UNNAMED:
                    del self._unnamed[next(iter(self._unnamed))]
            return claimed

    def is_free(self, path: Path, companions: Companions = no_companions) -> bool:
        """Whether `create` would claim a path now."""
        with self._lock:
            return not any(
                self._is_reserved(each) or os.path.lexists(each)
                for each in (path, *companions(path))
            )

    def numbering(self, stream: str) -> Numbering:
        """The numbers that the outputs of one stream have in common."""
        with self._lock:
            return self._numberings.setdefault(stream, Numbering())

    def create_named(
        self, path: Path, companions: Companions = no_companions
    ) -> ClaimedPath | None:
        """Claims a path that the user has named, unless a file stands there.

        Returns:
            None where one does.

        Raises:
            OSError: the file cannot be made.
        """
        with self._lock:
            claimed = self._make(path, companions)
            if claimed is not None:
                self._written |= _marks(path, companions)
            return claimed

    def begin(self, series: Path, path: Path, companions: Companions = no_companions) -> None:
        """Notes which of its files a series is at: what is written beside it may come late.

        Args:
            series: its path, as the user named it.
            path: of the file that was claimed for it.
            companions: what is written beside it.
        """
        with self._lock:
            self._current[series] = _marks(path, companions)

    def wrote(self, path: Path) -> bool:
        """Whether a file that was named, is being written or was made lately is this run's own."""
        with self._lock:
            return any(map(self._has_written, _identities(path)))

    def _has_written(self, key: object) -> bool:
        current = any(key in marks for marks in self._current.values())
        return current or key in self._written or key in self._unnamed

    def _make(self, path: Path, companions: Companions) -> ClaimedPath | None:
        if any(os.path.lexists(each) for each in (path, *companions(path))):
            return None
        try:
            with open(path, "xb"):
                pass
        except FileExistsError:
            return None
        return ClaimedPath(path)

    def _is_reserved(self, path: Path) -> bool:
        return any(
            key in self._named or key in self._inputs or self._has_written(key)
            for key in _identities(path)
        )


def first_free(
    claims: OutputClaims, paths: Iterable[Path], companions: Companions = no_companions
) -> ClaimedPath:
    """Claims the first path whose name is not taken.

    Args:
        claims: the run's.
        paths: candidates, without end.
        companions: what is written beside it.

    Raises:
        OSError: it cannot be made.
    """
    return next(
        claimed for path in paths if (claimed := claims.create(path, companions)) is not None
    )


def free_path(claims: OutputClaims, path: Path) -> ClaimedPath:
    """Claims a path that nobody has named, or the next of its numbered names that is free.

    Raises:
        OSError: it cannot be made.
    """
    return first_free(claims, numbered(path))


def numbered(path: Path) -> Iterator[Path]:
    """The path itself, then its numbered names, without end."""
    return (segment_path(path, number) for number in count())


def _marks(path: Path, companions: Companions) -> frozenset[object]:
    """What a file and those beside it are known by."""
    return frozenset(key for each in (path, *companions(path)) for key in _identities(each))


def _identities(path: Path) -> tuple[object, ...]:
    """What tells whether two paths name one file: through links, and where case is ignored."""
    place: object = os.path.realpath(path)
    try:
        status = os.stat(path)
    except OSError:
        return (place,)
    return place, (status.st_dev, status.st_ino)
