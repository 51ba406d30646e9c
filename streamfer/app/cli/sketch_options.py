"""The options of `streamfer sketch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamfer.errors import ConfigError

_LARGEST_KERNEL = 501
"""Of the strokes of a poster; what it takes grows with the side."""


def sketch_command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="PICTURE|FOLDER|VIDEO...", help="What is drawn."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    kernel: Annotated[
        int | None,
        typer.Option(help="Side of the blur in pixels, odd; larger: wider strokes. [by size]"),
    ] = None,
) -> int:
    """Draw pictures and videos in pencil."""
    if kernel is not None and not (3 <= kernel <= _LARGEST_KERNEL and kernel % 2):
        raise ConfigError(f"--kernel {kernel}: must be odd, and between 3 and {_LARGEST_KERNEL}")
    from rich.console import Console

    from streamfer.app.cli.sketch import sketch

    return sketch(sources, out, kernel, Console())
