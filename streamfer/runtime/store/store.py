"""The store of compiled engines: content-keyed, checked on load, safe between processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from filelock import BaseFileLock, FileLock, Timeout

from streamfer.errors import ConfigError, EngineError
from streamfer.runtime.model import NetworkFile
from streamfer.runtime.store.artifacts import (
    described_sha256,
    differences,
    folder_size,
    is_artifact,
    read_checked,
    read_key,
    write_artifact,
)
from streamfer.runtime.store.engine_key import EngineKey

_LOCK_RETRY_S = 0.1
"""How often a builder looks whether another process has finished; building takes seconds."""

T = TypeVar("T")
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StoreEntry:
    """One artifact in the store."""

    path: Path
    size: int
    """Bytes on disk."""
    key: EngineKey | None
    """None where the description is missing or broken."""


class EngineStore:
    """A folder of compiled engines, one folder per key.

    Readers take no lock: an artifact appears whole, by one rename. Builders of the same key wait
    for each other. Nothing that goes wrong with the folder stops the program: what cannot be
    kept is compiled again next time, and a line says so.

    Args:
        root: the folder; made when first needed.
        notify: gets one line for people whenever an artifact is rebuilt, waited for or not kept.
        cancelled: once set, nobody waits for what is being built: not here for another process, nor
            the builder where its backend can be interrupted.
    """

    def __init__(
        self,
        root: Path | None = None,
        notify: Notify = lambda line: None,
        cancelled: threading.Event | None = None,
    ) -> None:
        self.root = root or default_root()
        self.notify = notify
        self.cancelled = cancelled or threading.Event()
        self._told_unkept = False

    def open(self, key: EngineKey, build: Callable[[], bytes], load: Callable[[bytes], T]) -> T:
        """Loads the artifact of a key, building it first where it is missing or unusable.

        Args:
            key: what it depends on.
            build: makes the artifact; called at most once.
            load: turns the artifact into what the caller wants. An `EngineError` from a stored
                artifact leads to a rebuild.

        Raises:
            EngineError: `build` failed, or `load` failed on what it made, or waiting for another
                process was cancelled.
        """
        loaded = self._load_stored(key, load)
        if loaded is not None:
            return loaded[0]
        with self._lock(key):
            loaded = self._load_stored(key, load, explain=True)
            if loaded is not None:
                return loaded[0]
            payload = build()
            result = load(payload)
            self._keep(key, payload)
        return result

    def file(self, key: EngineKey, build: Callable[[], bytes]) -> NetworkFile:
        """A network's file, made now where it is missing, and read when it is asked for.

        Args:
            key: what it depends on.
            build: makes it, the same from one call to the next; called again if what is stored
                turns out to be damaged.

        Raises:
            EngineError: `build` failed, or waiting for another process was cancelled. `read` raises
                it too.
        """
        sha256 = described_sha256(self.root / key.folder, key)
        if sha256 is None:
            return NetworkFile.of(self.open(key, build, bytes))
        return NetworkFile(sha256, lambda: self.open(key, build, bytes))

    def read(self, key: EngineKey) -> bytes | None:
        """The artifact of a key as it is stored; None where there is no whole one."""
        try:
            return read_checked(self.root / key.folder, key)
        except (EngineError, OSError):
            return None

    def replace(self, key: EngineKey, payload: bytes) -> None:
        """Stores an artifact in place of the one before; says nothing where that cannot be done."""
        with contextlib.suppress(OSError), self._lock(key):
            write_artifact(self.root, key, payload)

    def entries(self) -> list[StoreEntry]:
        """What the store holds, by name."""
        if not self.root.is_dir():
            return []
        folders = sorted(path for path in self.root.iterdir() if is_artifact(path))
        return [StoreEntry(path, folder_size(path), read_key(path)) for path in folders]

    def clean(self) -> list[StoreEntry]:
        """Empties the store.

        Returns:
            What it held.

        Raises:
            EngineError: something could not be deleted.
        """
        entries = self.entries()
        try:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    shutil.rmtree(entry.path)
            if self.root.is_dir():
                for lock in self.root.glob(".*.lock"):
                    lock.unlink()
        except OSError as error:
            raise EngineError(f"engine store: cannot empty {self.root}: {error}") from error
        return entries

    def _load_stored(
        self, key: EngineKey, load: Callable[[bytes], T], explain: bool = False
    ) -> tuple[T] | None:
        """What the stored artifact loads to, in a tuple; None where there is no usable one."""
        folder = self.root / key.folder
        try:
            return (load(read_checked(folder, key)),)
        except (FileNotFoundError, NotADirectoryError):
            reason = self._what_changed(key)
        except (EngineError, OSError) as error:
            reason = str(error)
        if explain and reason:
            self.notify(f"{key.model}: rebuilding for {key.backend}: {reason}")
        return None

    def _what_changed(self, key: EngineKey) -> str | None:
        """How the nearest stored relative of a missing artifact differs; None without one."""
        relatives = [
            differences(entry.key, key)
            for entry in self.entries()
            if entry.key is not None
            and (entry.key.model, entry.key.backend) == (key.model, key.backend)
            and entry.key.precision == key.precision
        ]
        return min(relatives, key=len, default=None)

    def _keep(self, key: EngineKey, payload: bytes) -> None:
        try:
            write_artifact(self.root, key, payload)
        except OSError as error:
            if self._told_unkept:  # one line: it is the same for every network
                return
            self._told_unkept = True
            reason = error.strerror or error
            self.notify(
                f"{key.model}: its engine could not be kept in {self.root} ({reason}),"
                " so the next start compiles it again"
            )

    @contextlib.contextmanager
    def _lock(self, key: EngineKey) -> Iterator[None]:
        """Holds the key's lock; goes without one where the folder cannot be written."""
        path = self.root / f".{key.short_digest}.lock"
        # A lock by mere existence of the file would outlive a killed process.
        lock = FileLock(path, thread_local=False, fallback_to_soft=False)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            lock.acquire(blocking=False)
        except Timeout:
            self.notify(f"{key.model}: waiting for another process that compiles it")
            self._wait_for_lock(key, lock)
        except (OSError, NotImplementedError):  # the latter where the disk knows no locks
            yield
            return
        try:
            yield
        finally:
            lock.release()

    def _wait_for_lock(self, key: EngineKey, lock: BaseFileLock) -> None:
        try:
            lock.acquire(poll_interval=_LOCK_RETRY_S, cancel_check=self.cancelled.is_set)
        except Timeout as error:
            raise EngineError(f"{key.model}: waiting for its engine was cancelled") from error


def default_root() -> Path:
    """Where engines are kept: below `STREAMFER_HOME` where it is set, else `engines/` of the
    checkout, and without one the user's cache directory."""
    if home := os.environ.get("STREAMFER_HOME"):
        return Path(home) / "engines"
    checkout = Path(__file__).resolve().parents[3]
    if (checkout / "engines" / "README.md").is_file() and (checkout / "pyproject.toml").is_file():
        return checkout / "engines"
    from platformdirs import user_cache_path

    try:
        return user_cache_path("streamfer", appauthor=False, opinion=False) / "engines"
    except RuntimeError as error:  # a container's user without HOME and without an entry in passwd
        raise ConfigError(
            "this user has no home folder, where compiled engines would be kept; set STREAMFER_HOME"
            " to a folder for them"
        ) from error
