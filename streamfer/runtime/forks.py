"""Networks do not survive a fork: their threads are missing in the child, which waits for them."""

from __future__ import annotations

import os

from streamfer.errors import EngineError


class _Use:
    """Whether networks have been opened, in this process and in the one that it was forked from."""

    here = False
    before_fork = False

    def forked(self) -> None:
        self.before_fork = self.before_fork or self.here


_use = _Use()
if hasattr(os, "register_at_fork"):  # Windows cannot fork
    os.register_at_fork(after_in_child=_use.forked)


def note_use() -> None:
    """Says that networks are opened in this process.

    Raises:
        EngineError: as `check_not_forked`.
    """
    check_not_forked()
    _use.here = True


def check_not_forked() -> None:
    """Refuses what would hang for ever.

    Raises:
        EngineError: this process was forked from one that had opened networks.
    """
    if _use.before_fork:
        raise EngineError(
            "this process was forked from one that had opened networks, whose threads it lacks:"
            ' start it by multiprocessing.get_context("spawn"), or open networks only after the'
            " fork"
        )
