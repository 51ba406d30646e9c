"""The `streamfer` command and its sub-commands."""

from __future__ import annotations

from streamfer.app.cli.main import main, run_process

__all__ = ["main", "run_process"]
