#!/usr/bin/env python3
"""Streamfer without installing it: the same program as `streamfer run`."""

from __future__ import annotations

import sys


def main() -> int:
    """Runs `streamfer run` with this script's arguments."""
    try:
        from streamfer.app.cli import main as streamfer
    except ModuleNotFoundError as missing:
        print(
            f"error: this Python lacks the package {missing.name!r}; type `make demo` once, then "
            "start this script with .venv/bin/python",
            file=sys.stderr,
        )
        return 2
    return streamfer(["run", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
