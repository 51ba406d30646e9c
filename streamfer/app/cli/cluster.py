"""`streamfer cluster` as the command line sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

cluster_app = typer.Typer(
    help="Runs on a cluster (run --cluster): how they are doing, what they have left.",
    no_args_is_help=True,
)

_Folder = Annotated[
    Path, typer.Argument(metavar="JOBDIR", help="The folder of the run's records, or videos.")
]


@cluster_app.command("status")
def status_command(folder: _Folder) -> int:
    """Say how a run is doing, or how it ended; exit 3 where files have failed."""
    from streamfer.app.cluster.inspect import status

    return status(folder, Console())


@cluster_app.command("verify")
def verify_command(folder: _Folder) -> int:
    """Hold every finished result against its checksum and its input; exit 1 where one is wrong."""
    from streamfer.app.cluster.inspect import verify

    return verify(folder, Console())


@cluster_app.command("gather")
def gather_command(
    folder: _Folder,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the data set. [JOBDIR/records]")
    ] = None,
) -> int:
    """Make one Parquet data set of all records, which pyarrow, pandas and DuckDB read as one."""
    from streamfer.app.cluster.inspect import gather

    return gather(folder, out or folder / "records", Console())
