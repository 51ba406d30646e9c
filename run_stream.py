#!/usr/bin/env python3
"""Streamfer without installing it: the same program as `streamfer run`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs `streamfer run` with this script's arguments."""
    try:
        from streamfer.app.cli.main import run_process
    except ModuleNotFoundError as missing:
        print(
            f"error: this Python lacks the package {missing.name!r}; type `make demo` once, then "
            "start this script with .venv/bin/python",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.argv.insert(1, "run")
    run_process()


if __name__ == "__main__":
    main()
