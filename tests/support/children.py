"""Which child processes a test has started; other tests of the same process may have some, too."""

from __future__ import annotations

import psutil


class Children:
    """Those that were started since it was made."""

    def __init__(self) -> None:
        self._before = set(psutil.Process().children())

    def now(self) -> list[psutil.Process]:
        """Those that still run, or were not waited for."""
        return [child for child in psutil.Process().children() if child not in self._before]
