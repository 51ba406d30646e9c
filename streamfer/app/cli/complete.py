"""`streamfer complete`: Parquet files of the journals that killed runs have left."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from streamfer.errors import OutputError, SourceError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.records.latents import complete_latents
from streamfer.media.records.parquet import complete_journal


def complete(paths: Sequence[Path]) -> int:
    """Completes Parquet records and latents, and says which of them needed it.

    Returns:
        The exit code, 0.

    Raises:
        SourceError: a file is missing and has no journal, or the journal is damaged; it stays.
        OutputError: a file cannot be written; its journal stays.
    """
    claims = OutputClaims()
    for path in paths:
        if os.path.isdir(path):
            raise SourceError(f"{path}: is a folder; name a file")
        try:
            named = claims.replace(path)
            done = complete_journal(named) or complete_latents(named)
        except OSError as error:
            raise OutputError(f"{path}: cannot write: {error.strerror or error}") from error
        except ValueError as error:
            raise SourceError(f"{path}: its journal is damaged ({error})") from error
        if not done and not os.path.exists(path):
            raise SourceError(f"{path}: no such file, and no journal of it")
        print(f"{path}: {'completed' if done else 'has no journal; nothing to do'}")
    return 0
