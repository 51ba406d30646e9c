"""Messages that wait on disk until they are delivered, also from one run to the next."""

from __future__ import annotations

import hashlib
import itertools
import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import OutputError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message that waits."""

    number: int
    """Rises with every message."""
    body: str


class Spool:
    """A bounded queue on disk of what goes to one address; of too many messages the oldest go.

    Any thread may use it. Of runs at the same time each has its own; what they left is found again
    by the next one, whichever of them had it.

    Args:
        folder: where queues live; made if it is missing.
        address: whose; only its hash is written.
        most: messages to keep.

    Raises:
        OutputError: it cannot be opened.
    """

    def __init__(self, folder: Path, address: str, most: int = 10_000) -> None:
        self.dropped = 0
        """Messages given up so far because there were too many."""
        self._most = most
        self._lock = threading.Lock()
        self._name = f"the queue in {folder}"
        key = hashlib.sha256(address.encode()).hexdigest()[:16]
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database, path = _first_free(folder, key)
            for other in sorted(folder.glob(f"{key}.*.sqlite")):
                if other != path:
                    self._adopt(other)
            (self._count,) = self._database.execute("SELECT COUNT(*) FROM messages").fetchone()
            self._trim()
        except (OSError, sqlite3.Error) as error:
            raise OutputError(f"{self._name}: cannot be opened ({error})") from error

    def __len__(self) -> int:
        """Messages that wait."""
        with self._lock:
            return self._count

    def put(self, body: str) -> None:
        """Appends a message.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            try:
                self._database.execute("INSERT INTO messages (body) VALUES (?)", (body,))
                self._count += 1
                self._trim()
            except sqlite3.Error as error:
                raise OutputError(f"{self._name}: cannot be written ({error})") from error

    def first(self) -> Waiting | None:
        """The oldest message, which stays.

        Raises:
            OutputError: it cannot be read.
        """
        query = "SELECT number, body FROM messages ORDER BY number LIMIT 1"
        with self._lock:
            try:
                row = self._database.execute(query).fetchone()
            except sqlite3.Error as error:
                raise OutputError(f"{self._name}: cannot be read ({error})") from error
        return None if row is None else Waiting(*row)

    def remove(self, number: int) -> None:
        """Forgets a message.

        Raises:
            OutputError: it cannot be written.
        """
        with self._lock:
            try:
                done = self._database.execute("DELETE FROM messages WHERE number = ?", (number,))
            except sqlite3.Error as error:
                raise OutputError(f"{self._name}: cannot be written ({error})") from error
            self._count -= done.rowcount

    def close(self) -> None:
        """Closes the file; what waits stays in it."""
        with self._lock:
            self._database.close()

    def _adopt(self, path: Path) -> None:
        """Takes over what waits in another queue of the address, unless a run holds it.

        The file stays: a run that has just opened it would else write into one that is gone.
        """
        try:
            other = _opened(path)
            if other is None:
                return
            with closing(other):
                bodies = other.execute("SELECT body FROM messages ORDER BY number").fetchall()
                # Removed last: where this is cut off, they are delivered twice and not never.
                with self._database:  # all or none
                    self._database.execute("BEGIN")
                    self._database.executemany("INSERT INTO messages (body) VALUES (?)", bodies)
                other.execute("DELETE FROM messages")
        except sqlite3.Error as error:
            log.warning("%s: is passed over (%s)", path, error)

    def _trim(self) -> None:
        """Gives up the oldest of too many messages."""
        excess = self._count - self._most
        if excess > 0:
            self._database.execute(
                "DELETE FROM messages WHERE number IN"
                " (SELECT number FROM messages ORDER BY number LIMIT ?)",
                (excess,),
            )
            self._count -= excess
            self.dropped += excess


def _first_free(folder: Path, key: str) -> tuple[sqlite3.Connection, Path]:
    """The first of the address's queues that no other run holds."""
    for number in itertools.count():
        path = folder / f"{key}.{number}.sqlite"
        database = _opened(path)
        if database is not None:
            return database, path
    raise AssertionError("unreachable")


def _opened(path: Path) -> sqlite3.Connection | None:
    """A queue, held until it is closed; None where another run holds it."""
    database = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")  # held until it is closed
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")  # a commit doesn't wait for the disk
        database.execute("BEGIN EXCLUSIVE")
        database.execute(
            "CREATE TABLE IF NOT EXISTS messages"
            " (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL)"
        )
        database.execute("COMMIT")
    except sqlite3.OperationalError as error:
        database.close()
        if "locked" not in str(error):
            raise
        return None
    except sqlite3.Error:
        database.close()
        raise
    return database
