"""`python -m streamfer`."""

from __future__ import annotations

from streamfer.app.cli.main import run_process

run_process()
