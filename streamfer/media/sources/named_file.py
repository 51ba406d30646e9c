"""Words for the files that people name. Loads no FFmpeg: what only names sources starts without."""

from __future__ import annotations

import difflib
import os
from pathlib import Path


def readable_path(path: Path) -> str:
    """A path as text that everybody can read: bytes that are no UTF-8 as `\\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def missing_file_message(path: Path) -> str:
    """Says that a file is missing, and which one may have been meant."""
    folder = path.parent
    if not os.path.isdir(folder):
        return f"cannot open {path}: there is no directory {folder}"
    if os.path.islink(path):  # `Path` raises where a name is too long
        return f"cannot open {path}: it is a link to {os.readlink(path)}, which there is not"
    names = os.listdir(folder) if os.access(folder, os.R_OK) else []
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f"; did you mean {folder / near[0]}?" if near else ""
    return f"cannot open {path}: no such file{hint}"
