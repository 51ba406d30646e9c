"""`streamfer cluster` as the command line sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_Folder = Annotated[
    Path, typer.Argument(metavar="JOBDIR", help="The folder of the run's records, or videos.")
]


def status_command(folder: _Folder) -> int:
    """Say how a run is doing, or how it ended; exit 3 where files have failed."""
    from rich.console import Console

    from streamfer.app.cluster.inspect import status

    return status(folder, Console())


def verify_command(folder: _Folder) -> int:
    """Hold every finished result against its checksum and its input; exit 1 where one is wrong."""
    from rich.console import Console

    from streamfer.app.cluster.inspect import verify

    return verify(folder, Console())


def gather_command(
    folder: _Folder,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the data set. [JOBDIR/records]")
    ] = None,
) -> int:
    """Make one Parquet data set of all records, which pyarrow, pandas and DuckDB read as one."""
    from rich.console import Console

    from streamfer.app.cluster.inspect import gather

    return gather(folder, out or folder / "records", Console())
