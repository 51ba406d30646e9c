"""The commands that show records: `report` and `plot`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_report_commands(app: typer.Typer) -> None:
    """Adds them to the command line."""
    app.command("report")(report_command)
    app.command("plot")(plot_command)


def report_command(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORDS...", help="Records files, shown side by side.")
    ],
    video: Annotated[
        list[Path] | None,
        typer.Option(
            "--video",
            metavar="FILE",
            help="The analysed video; once for each stream. Without, the file that the records"
            " name, if it is there.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder of the report.")] = Path(
        "report"
    ),
    single_file: Annotated[
        bool, typer.Option("--single-file", help="One HTML file with everything in it.")
    ] = False,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Hold the records against the video, frame by frame, and show whether"
            " they agree; takes as long as decoding it.",
        ),
    ] = False,
    measures: Annotated[
        Path | None,
        typer.Option(
            "--measures",
            metavar="FILE",
            help="What `streamfer measure --json` has found between the faces.",
        ),
    ] = None,
) -> int:
    """Make a page of records that opens from disk: video, timelines, key moments."""
    from streamfer.app.report.command import ReportConfig, write_report

    page = write_report(
        ReportConfig(tuple(records), tuple(video or ()), out, single_file, verify, measures)
    )
    print(f"{page}: open it in a browser")
    return 0


def plot_command(
    records: Annotated[Path, typer.Argument(metavar="RECORDS", help="A records file.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="The figure: .png, .svg or .pdf.")
    ],
) -> int:
    """Draw the timeline of every face as a figure for papers."""
    from streamfer.app.report.plot import plot

    plot(records, out)
    print(out)
    return 0
