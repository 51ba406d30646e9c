"""Folders, and files that are whole or not there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from streamfer.errors import OutputError


def make_folder(path: Path) -> None:
    """Makes a folder and those that it lies in, where they are missing.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"{path}: cannot make the folder: {reason}") from error


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which stands at a path once it is whole; its folder is made if need be.

    What stood there before stays until then, and for good where writing is stopped or fails.

    Args:
        path: of the file. Through a link the file that it points to is replaced.

    Raises:
        OutputError: it cannot be written.
    """
    target = path.resolve() if path.is_symlink() else path
    make_folder(target.parent)
    # Of this process: several may write the same file, and the last one stays.
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def write_whole(path: Path, text: str) -> None:
    """Writes text, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with whole_file(path) as file:
        file.write(text.encode())
