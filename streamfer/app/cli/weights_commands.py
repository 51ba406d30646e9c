"""`streamfer weights list|pull|verify` as the command line sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def list_weights_command() -> int:
    """Show what is shipped, what is here and what can be pulled."""
    from rich.console import Console

    from streamfer.app.cli.weights import list_weights

    return list_weights(Console())


def pull_weights_command(
    name: Annotated[str, typer.Argument(help="As `streamfer weights list` calls it.")],
    source: Annotated[
        Path | None, typer.Option("--from", help="Take this file instead of downloading.")
    ] = None,
) -> int:
    """Download published weights and check them; the same command goes on after a break."""
    from rich.console import Console

    from streamfer.app.cli.weights import pull_weights

    return pull_weights(Console(), name, source)


def verify_weights_command() -> int:
    """Hold shipped and pulled weights against their checksums; exit 5 where one is damaged."""
    from rich.console import Console

    from streamfer.app.cli.weights import verify_weights

    return verify_weights(Console())
