"""Whether a folder is the same one on two machines: each finds what the other has written."""

from __future__ import annotations

import secrets
from pathlib import Path

from streamfer.errors import ConfigError, OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.files.output_file import write_whole

_QUESTION = "probe"


def ask(folder: Path) -> Path:
    """Writes a file that the workers have to find.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / _QUESTION
    try:
        write_whole(OutputClaims().replace(path), secrets.token_hex(16).encode())
    except OSError as error:
        raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
    return path


def answer(probe: Path) -> str:
    """Finds the driver's file, and writes one for the driver to find.

    Returns:
        Its name, which holds what the driver wrote.

    Raises:
        ConfigError: the folder is not the driver's.
        OSError: it cannot be written to.
    """
    try:
        asked = probe.read_text("ascii")
    except (OSError, ValueError):
        raise ConfigError(
            f"{probe.parent.parent}: is not the folder that the run writes to; the folders of"
            " sources and outputs must be shared by all machines, under the same path"
        ) from None
    name = f"{_QUESTION}-{asked[:16]}-{secrets.token_hex(4)}"
    write_whole(OutputClaims().replace(probe.with_name(name)), b"")
    return name


def is_answered(probe: Path, name: str | None) -> bool:
    """Whether a worker's file is here, and answers this probe."""
    if name is None or "/" in name:
        return False
    asked = probe.read_text("ascii")
    return name.startswith(f"{_QUESTION}-{asked[:16]}-") and probe.with_name(name).exists()
