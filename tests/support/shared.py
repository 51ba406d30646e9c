"""Where the real test media lies: beside the repository, not in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(
    os.environ.get("STREAMFER_SHARED", Path(__file__).resolve().parents[3] / "shared")
).resolve()


def shared_file(relative: str) -> Path:
    """A file of the shared test data; skips the test, saying so, where it is missing."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"test data not found: shared/{relative}")
    return path
