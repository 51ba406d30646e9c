"""Names of output files."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from streamfer.errors import ConfigError, OutputError

_CONTINUED = re.compile(r"(?<=.)(?:\.(\d{8}T\d{6}Z))?(?:\.([1-9]\d*))?$")
"""What continuations have at the end of their stems."""


def segment_path(path: Path, segment: int) -> Path:
    """Name of a file's n-th continuation: `talk.mp4`, `talk.1.mp4`, `talk.2.mp4`, …"""
    return path if segment == 0 else path.with_name(f"{path.stem}.{segment}{path.suffix}")


def continuations(path: Path) -> list[tuple[int, Path]]:
    """The continuations of a file that are there, in order, with their numbers, of which some may
    have been stepped over. Nothing tells them from other files of such names."""
    kind = re.compile(rf"{re.escape(path.stem)}\.([1-9]\d*){re.escape(path.suffix)}")
    names: list[str] = []
    with contextlib.suppress(OSError):  # whoever opens the file itself says what is wrong
        names = os.listdir(path.parent)
    found = [(int(match[1]), match[0]) for match in map(kind.fullmatch, names) if match]
    return [(number, path.with_name(name)) for number, name in sorted(found)]


def wall_stamp(moment: datetime) -> str:
    """A moment as names carry it, in UTC and sorting by time: `20261128T142200Z`."""
    return moment.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def dated_path(path: Path, moment: datetime) -> Path:
    """Name of a live recording: `cam.mp4` makes `cam.20261128T142200Z.mp4`."""
    return path.with_name(f"{path.stem}.{wall_stamp(moment)}{path.suffix}")


def continued_path(path: Path) -> Path:
    """The file that a path may be a continuation of: `talk.mp4` for `talk.2.mp4`, `cam.mp4` for
    `cam.20261128T142200Z.1.mp4`; itself where its name is none of a continuation."""
    return path.with_name(_CONTINUED.sub("", path.stem, count=1) + path.suffix)


def continuation_order(path: Path) -> tuple[str, int]:
    """Sorts the files that continue one path by time; by their names alone, `talk.1.jsonl` and
    `talk.10.jsonl` come before `talk.2.jsonl`, and all of them before `talk.jsonl`."""
    match = _CONTINUED.search(path.stem)
    return ("", 0) if match is None else (match[1] or "", int(match[2] or 0))


def beside(path: Path, ending: str) -> Path:
    """Name of a companion file: `talk.csv` and `header.json` make `talk.csv.header.json`."""
    return path.with_name(f"{path.name}.{ending}")


def check_folder(path: Path, what: str) -> None:
    """Finds out before a run whether a file can stand at a path.

    Args:
        path: of the file.
        what: `video`, `records`, …, for the message.

    Raises:
        OutputError: the folder is missing, or the path is one.
    """
    # The methods of `Path` raise where the folder may not be looked into.
    if os.path.isdir(path):
        raise OutputError(f"{path}: cannot write the {what} (it is a folder)")
    if not os.path.isdir(path.parent):
        raise OutputError(f"{path}: cannot write the {what} (make the folder {path.parent} first)")


def latents_journal_path(path: Path) -> Path:
    """Where the latents of an unfinished file are: in an Arrow stream beside it."""
    return beside(path, "journal.arrows")


def latents_companions(path: Path) -> tuple[Path, ...]:
    """What is written beside a file of latents."""
    return (latents_journal_path(path),)


def check_latents_path(path: Path) -> None:
    """Finds out before a run whether latents can be written there.

    Raises:
        ConfigError: the suffix is not `.parquet`.
        OutputError: the folder is missing, or the path is one.
    """
    if path.suffix.lower() != ".parquet":
        raise ConfigError(f"{path}: latents are written as .parquet; the name must end in that")
    check_folder(path, "latents")


def reason(error: Exception) -> str:
    """What an I/O error says, without number and path."""
    return str(getattr(error, "strerror", None) or error)
