"""Logging of the program: to stderr, one line each, credentials taken out."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from streamfer.app.config_fields import LogLevel
from streamfer.media.redact import redact_text

if TYPE_CHECKING:  # `--help` does without it
    from rich.console import Console


class _Redacting(logging.Formatter):
    """Takes credentials out of messages and tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        return redact_text(super().format(record))


def configure_logging(level: LogLevel, console: Console) -> None:
    """Sends the package's log to a console, which keeps it above a live view.

    Args:
        level: the least important messages to show.
        console: where to; shared with the live view.
    """
    handler: logging.Handler
    if console.is_terminal:
        from rich.logging import RichHandler

        handler = RichHandler(
            console=console, show_path=False, show_time=level == "debug", markup=False
        )
        handler.setFormatter(_Redacting("%(message)s"))
    else:  # one line each, as long as it is, and when it was: for `grep`
        handler = logging.StreamHandler(console.file)
        handler.setFormatter(_Redacting("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("streamfer")
    logger.handlers = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def complain(message: str) -> None:
    """Prints the one line that an error gets on stderr, credentials taken out."""
    line = " ".join(redact_text(message).split())
    print(f"error: {line}", file=sys.stderr, flush=True)
