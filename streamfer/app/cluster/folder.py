"""The folder of a clustered run: attempts, finished results, and a marker for each of them."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from streamfer.app.cluster.reports import Attempt, AttemptResult, WrittenFile
from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole
from streamfer.media.sources.kinds import SourceKind

JOB_SCHEMA = "streamfer.job/1"
DONE_SCHEMA = "streamfer.done/1"
ATTEMPTS = ".attempts"
DONE = "done"
_JOB = "job.json"
_LOCK = ".job.lock"

Target = Callable[[str, str], Path]
"""By output (`records`, …) and stream, the folder of the final place."""


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """One file at its final place."""

    path: Path
    size: int
    sha256: str
    """Hex."""


@dataclass(frozen=True, slots=True)
class DoneFile:
    """A file that is done, as its marker says."""

    unit: str
    stream: str
    source: str
    """As typed, without credentials."""
    path: str | None
    """Of the input, absolute; None for what is no file."""
    size: int | None
    """Of the input, in bytes, when it was analysed."""
    mtime_ns: int | None
    frames: int
    faces: int
    seconds: float
    attempt: int
    worker: str
    """The node."""
    files: tuple[FinishedFile, ...]

    @property
    def stands(self) -> bool:
        """Whether the input is what it was, and the results are there in full."""
        if self.path is not None and stamp(Path(self.path)) != (self.size, self.mtime_ns):
            return False
        return all(_size(file.path) == file.size for file in self.files)


class JobFolder:
    """Where a run on many machines keeps what it has done; a context manager that holds its lock.

    Whatever is at a final name is whole: attempts write into folders of their own, whose files are
    renamed once they are complete, and the marker comes last. A run that was killed between the
    two does that file again.

    Args:
        path: the folder, on a file system that all machines share; made where it is missing.
        target: says where each finished file goes.
        inputs: must not be written over.
    """

    def __init__(self, path: Path, target: Target, inputs: OutputClaims | None = None) -> None:
        self.path = path
        self._target = target
        self._inputs = inputs or OutputClaims()
        self._lock = FileLock(path / _LOCK, timeout=0)

    def __enter__(self) -> JobFolder:
        """Takes the folder.

        Raises:
            OutputError: another run has it, or it cannot be written to.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock.acquire()
            self._discard_attempts()
            (self.path / DONE).mkdir(exist_ok=True)
            (self.path / ATTEMPTS).mkdir(exist_ok=True)
        except Timeout:
            raise OutputError(
                f"{self.path}: another run works in this folder; wait for its end, or name another"
            ) from None
        except OSError as error:
            self._lock.release()
            raise _cannot_write(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._discard_attempts()
        self._lock.release()  # its file stays: another run may hold it already

    def begin(self, identity: Mapping[str, Any], total: int) -> None:
        """Notes what the run is, or makes sure that an earlier one was the same.

        Args:
            identity: what decides the results, by name; JSON-ready.
            total: how many files the run has.

        Raises:
            ConfigError: the folder holds the results of a run with other options.
            OutputError: it cannot be written to.
        """
        before = read_job(self.path)
        known = before.get("options", identity) if before and self.has_done() else identity
        for name, value in identity.items():
            if name not in known or known[name] != value:
                raise ConfigError(
                    f"{self.path}: holds results made with {name} {known.get(name)!s}, and now it"
                    f" is {value!s}; name another folder, or remove {self.path / DONE} to do all"
                    " again"
                )
        job = {"schema": JOB_SCHEMA, "files": total, "options": dict(identity)}
        self.write_json(self.path / _JOB, job)

    def has_done(self) -> bool:
        """Whether an earlier run has finished anything here."""
        return any(done_files(self.path))

    def new_attempt(self, name: str) -> Path:
        """Makes the folder of an attempt.

        Raises:
            OutputError: it cannot be made.
        """
        folder = self.path / ATTEMPTS / name
        try:
            folder.mkdir()
        except OSError as error:
            raise _cannot_write(folder, error) from error
        return folder

    def commit(self, attempt: Attempt, result: AttemptResult, worker: str) -> DoneFile:
        """Puts an attempt's files at their final names and marks its input as done.

        Args:
            attempt: what was done.
            result: what its worker says.
            worker: the node that did it.

        Raises:
            OutputError: a file is not as the worker left it, or cannot be moved.
        """
        moves = [(self._checked(attempt, file), file) for file in result.files]
        finished = []
        for source, file in moves:
            place = self._target(file.output, attempt.spec.name) / file.name
            self._inputs.refuse_input(place)
            try:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(source, place)
            except OSError as error:
                raise _cannot_write(place, error) from error
            finished.append(FinishedFile(place.absolute(), file.size, file.sha256))
        done = _done_file(attempt, result, worker, tuple(finished))
        entry = {"schema": DONE_SCHEMA, **asdict(done)}
        entry["files"] = [{**file, "path": str(file["path"])} for file in entry["files"]]
        self.write_json(self.path / DONE / f"{attempt.unit}.json", entry)
        self.discard(attempt)
        return done

    def discard(self, attempt: Attempt) -> None:
        """Removes what an attempt has left."""
        shutil.rmtree(attempt.folder, ignore_errors=True)

    def write_json(self, path: Path, content: Mapping[str, Any]) -> None:
        """Writes a small file of this folder, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        part = self.path / ATTEMPTS / f"{path.name}.part"
        try:
            text = json.dumps(content, indent=1)
            write_whole(OutputClaims().replace(part), text.encode() + b"\n")
            os.replace(part, path)
        except OSError as error:
            raise _cannot_write(path, error) from error

    def _checked(self, attempt: Attempt, file: WrittenFile) -> Path:
        path = attempt.folder / file.output / file.name
        size = _size(path)
        if size != file.size:
            seen = "does not see it" if size is None else f"sees {size} of {file.size} bytes"
            raise OutputError(
                f"{path}: the worker wrote it, this machine {seen}; is the folder shared?"
            )
        return path

    def _discard_attempts(self) -> None:
        shutil.rmtree(self.path / ATTEMPTS, ignore_errors=True)


def done_files(path: Path) -> Iterator[DoneFile]:
    """What has been done in a folder; markers that are damaged are passed over."""
    for marker in sorted((path / DONE).glob("*.json")):
        try:
            entry = json.loads(marker.read_text("utf-8"))
            if entry.pop("schema") != DONE_SCHEMA:
                continue
            files = tuple(
                FinishedFile(Path(f["path"]), int(f["size"]), str(f["sha256"]))
                for f in entry.pop("files")
            )
            yield DoneFile(**entry, files=files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue


def read_job(path: Path) -> dict[str, Any] | None:
    """What a folder's run is; None where there is none."""
    try:
        job = json.loads((path / _JOB).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return job if isinstance(job, dict) and job.get("schema") == JOB_SCHEMA else None


def _done_file(
    attempt: Attempt, result: AttemptResult, worker: str, files: tuple[FinishedFile, ...]
) -> DoneFile:
    spec = attempt.spec
    is_file = spec.kind is SourceKind.FILE
    return DoneFile(
        unit=attempt.unit,
        stream=spec.name,
        source=spec.label,
        path=os.path.abspath(spec.location) if is_file else None,
        size=result.input_size,
        mtime_ns=result.input_mtime_ns,
        frames=result.frames,
        faces=result.faces,
        seconds=round(result.seconds, 3),
        attempt=attempt.number,
        worker=worker,
        files=files,
    )


def stamp(path: Path) -> tuple[int | None, int | None]:
    """Size in bytes and time of change in ns, by which a file is known again; None where it is not
    there."""
    try:
        status = path.stat()
    except OSError:
        return None, None
    return status.st_size, status.st_mtime_ns


def _size(path: Path) -> int | None:
    return stamp(path)[0]


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot write: {error.strerror or error}")
