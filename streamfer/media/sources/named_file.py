"""Words for the files that people name. Loads no FFmpeg: what only names sources starts without."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from streamfer.media.redact import redact_text


def readable_path(path: Path | str) -> str:
    """A path as text that everybody may read: bytes that are no UTF-8 as `\\xe9`, and without
    credentials, because it may be an address that was typed without its scheme."""
    return redact_text(os.fsencode(path).decode("utf-8", "backslashreplace"))


def missing_file_message(path: Path) -> str:
    """Says that a file is missing, and which one may have been meant; or that nobody may look."""
    shown, folder = readable_path(path), path.parent
    try:
        os.lstat(path)
    except PermissionError as error:
        return f"cannot open {shown}: {error.strerror}"
    except OSError:
        pass  # it is missing, as was said
    if not os.path.isdir(folder):
        return f"cannot open {shown}: there is no directory {readable_path(folder)}"
    if os.path.islink(path):
        target = readable_path(os.readlink(path))
        return f"cannot open {shown}: it is a link to {target}, which there is not"
    names = os.listdir(folder) if os.access(folder, os.R_OK) else []
    near = difflib.get_close_matches(path.name, names, n=1)
    hint = f"; did you mean {readable_path(folder / near[0])}?" if near else ""
    return f"cannot open {shown}: no such file{hint}"
