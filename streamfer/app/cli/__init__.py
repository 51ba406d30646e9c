"""The `streamfer` command and its sub-commands."""

from __future__ import annotations

from streamfer.app.cli.main import run_process

__all__ = ["run_process"]
