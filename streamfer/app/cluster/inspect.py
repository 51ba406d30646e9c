"""`streamfer cluster status|verify|gather`: what stands in the folder of a run on a cluster."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from streamfer.app.cluster.folder import ATTEMPTS, DoneFile, done_files, read_job
from streamfer.app.cluster.views import STATUS, STATUS_SCHEMA
from streamfer.app.config import RunConfig
from streamfer.app.session.resume import resume
from streamfer.app.terminal.glyphs import format_duration
from streamfer.errors import ConfigError, OutputError, SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.reader import Records, read_records
from streamfer.media.records.schema import RECORD_SUFFIXES
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec

_FRESH_S = 30.0
"""Of `status.json`, after which its run has ended without saying so."""
_WHOLE = ("start", "duration", "max-frames", "loop", "segment")


def status(folder: Path, console: Console) -> int:
    """Says how a run is doing, or how it ended; from any machine that sees the folder.

    Returns:
        The exit code: 0, or 3 where files have failed.

    Raises:
        ConfigError: the folder is none of a run on a cluster.
    """
    job = read_job(folder)
    told = _status(folder)
    if job is None and told is None:
        raise ConfigError(f"{folder}: is not the folder of a run with --cluster")
    done = list(done_files(folder))
    failed: dict[str, str] = (told or {}).get("failed", {})
    lines = []
    if job is not None:
        standing = sum(file.stands for file in done)
        lines.append(f"{standing} of {job['files']} files done")
        if standing < len(done):
            lines.append(f"{len(done) - standing} more were, but inputs or results have changed")
    if told is not None:
        lines += list(_progress(folder, told))
    lines += [f"failed: {stream}: {reason}" for stream, reason in failed.items()]
    for line in lines:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    return SourceError.exit_code if failed else 0


def verify(folder: Path, console: Console) -> int:
    """Holds every finished result against what was written and against its input.

    Returns:
        The exit code: 0, or 1 where one is not whole; each is named.

    Raises:
        ConfigError: the folder is none of a run on a cluster.
    """
    job = read_job(folder)
    if job is None:
        raise ConfigError(f"{folder}: holds no results of a run with --cluster")
    done = list(done_files(folder))
    wrong = 0
    for file in done:
        for problem in _problems(file, job["options"]):
            wrong += 1
            _say(console, f"{file.stream}: {problem}")
    missing = job["files"] - len(done)
    if missing > 0:
        _say(console, f"{missing} of {job['files']} files are not done")
    if (folder / ATTEMPTS).exists():
        _say(console, f"{folder / ATTEMPTS}: a run is under way, or was killed")
    if not wrong and missing <= 0:
        _say(console, f"{len(done)} files: results are whole and agree with their inputs")
    return 1 if wrong or missing > 0 else 0


def gather(folder: Path, out: Path, console: Console) -> int:
    """Makes one Parquet data set of the records of all streams, a file for each.

    Returns:
        The exit code, 0.

    Raises:
        ConfigError: the folder is none of a run on a cluster, or holds no records.
        SourceError: records cannot be read.
        OutputError: the data set cannot be written.
    """
    from streamfer.media.records.parquet import write_parquet

    found = [(file.stream, path) for file in done_files(folder) if (path := _records(file))]
    if not found:
        raise ConfigError(f"{folder}: holds no records of a run with --cluster")
    if out.exists() and any(path.suffix != ".parquet" for path in out.iterdir()):
        raise ConfigError(f"{out}: holds other files; name an empty folder with --out")
    fields = _all_fields(read_records(path) for _, path in found)
    claims = OutputClaims(path for _, path in found)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for stream, path in found:
            records = read_records(path)
            header = {**records.header, "fields": fields}
            place = out / f"{stream}.parquet"
            claims.refuse_input(place)
            write_parquet(claims.replace(place), header, records.frames)
    except OSError as error:
        raise OutputError(f"{out}: cannot write: {error.strerror or error}") from error
    _say(console, f"wrote the records of {len(found)} streams to {out}")
    return 0


def _all_fields(opened: Iterator[Records]) -> list[dict[str, Any]]:
    """What any of the records declare, so that all files have the same columns."""
    fields: dict[str, dict[str, Any]] = {}
    for records in opened:
        for entry in records.header.get("fields", []):
            fields.setdefault(entry["name"], entry)
    return list(fields.values())


def _records(file: DoneFile) -> Path | None:
    for finished in file.files:
        if finished.path.suffix in RECORD_SUFFIXES and ".events." not in finished.path.name:
            return finished.path
    return None


def _progress(folder: Path, told: dict[str, Any]) -> Iterator[str]:
    age_s = time.time() - float(told.get("updated", 0))
    workers = told.get("workers", [])
    if age_s < _FRESH_S and (folder / ATTEMPTS).exists():
        yield (
            f"running: {told.get('running')} in hand, {told.get('waiting')} waiting,"
            f" {len(workers)} workers, {told.get('fps')} fps"
        )
        if told.get("eta_s") is not None:
            yield f"{format_duration(told['eta_s'])} left at the rate so far"
    else:
        yield f"not running; last heard of {format_duration(age_s)} ago"
    if told.get("lost"):
        yield f"{told['lost']} workers were lost"


def _status(folder: Path) -> dict[str, Any] | None:
    try:
        told = json.loads((folder / STATUS).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("schema") == STATUS_SCHEMA else None


def _problems(file: DoneFile, options: dict[str, str]) -> Iterator[str]:
    """What is wrong with a result."""
    whole = True
    for finished in file.files:
        try:
            with finished.path.open("rb") as content:
                sha256 = hashlib.file_digest(content, "sha256").hexdigest()
        except OSError as error:
            whole = False
            yield f"{finished.path}: {error.strerror or error}"
            continue
        if sha256 != finished.sha256:
            whole = False
            yield f"{finished.path}: has changed since it was written"
    if file.path is None or not whole or not Path(file.path).exists():
        return
    if not file.stands:
        yield f"{file.path}: the input has changed since"
    elif _is_of_whole_files(options) and not _agrees(file):
        yield f"{file.path}: the results do not hold all of its frames"


def _is_of_whole_files(options: dict[str, str]) -> bool:
    default = RunConfig()
    return all(
        options.get(name) == str(getattr(default, name.replace("-", "_"))) for name in _WHOLE
    )


def _agrees(file: DoneFile) -> bool:
    """Whether the results hold every frame of the input."""
    assert file.path is not None
    records = _records(file)
    videos = [
        f.path
        for f in file.files
        if f.path.suffix not in (*RECORD_SUFFIXES, ".json") and f.path.stem.count(".") == 0
    ]
    config = RunConfig(
        records=records, output=videos[0] if len(videos) == 1 else None, skip_existing=True
    )
    if config.records is None and config.output is None:
        return True
    spec = SourceSpec(SourceKind.FILE, file.stream, os.fspath(file.path))
    return not resume(config, [spec]).specs


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False, highlight=False, soft_wrap=True)
