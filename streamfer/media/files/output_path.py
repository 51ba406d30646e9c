"""Names of output files."""

from __future__ import annotations

import os
from pathlib import Path

from streamfer.errors import OutputError


def same_file(a: Path, b: Path) -> bool:
    """Whether two paths name one file, through links and different spellings too."""
    try:
        return os.path.samefile(a, b)
    except OSError:
        return a.resolve() == b.resolve()


def segment_path(path: Path, segment: int) -> Path:
    """Name of a file's n-th continuation: `talk.mp4`, `talk.1.mp4`, `talk.2.mp4`, …"""
    return path if segment == 0 else path.with_name(f"{path.stem}.{segment}{path.suffix}")


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
    if path.is_dir():
        raise OutputError(f"{path}: cannot write the {what} (it is a folder)")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: cannot write the {what} (make the folder {path.parent} first)")


def reason(error: Exception) -> str:
    """What an I/O error says, without number and path."""
    return str(getattr(error, "strerror", None) or error)
