"""Paths that no file can be written to."""

from __future__ import annotations

from pathlib import Path

TROUBLES = ["folder", "missing parent", "full disk"]


def make_unwritable(path: Path, trouble: str) -> None:
    """Puts one of TROUBLES where a file in a folder that is not there yet shall be written."""
    if trouble != "missing parent":
        path.parent.mkdir()
    if trouble == "folder":
        path.mkdir()
    if trouble == "full disk":
        path.symlink_to("/dev/full")
