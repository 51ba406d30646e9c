"""Finding a file again by a path that was noted elsewhere."""

from __future__ import annotations

import os
from collections.abc import Sequence


def places_of(path: str, noted: Sequence[str]) -> list[int]:
    """Where among noted paths a file is.

    Whole paths are compared first: files of one name lie in many folders. Where none is the same,
    as when files were moved or another folder is the working one, names alone tell.
    """
    whole = os.path.abspath(path)
    found = [place for place, other in enumerate(noted) if os.path.abspath(other) == whole]
    if found:
        return found
    name = os.path.basename(path)
    return [place for place, other in enumerate(noted) if os.path.basename(other) == name]
