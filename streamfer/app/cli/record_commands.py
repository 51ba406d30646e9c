"""The commands that work on what a run has left: its videos and its records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamfer.app.cli.options import with_options
from streamfer.app.report.find.options import FindConfig


def verify_command(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="The file that was analysed.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Its annotated video.")],
    records: Annotated[
        Path | None, typer.Argument(metavar="[RECORDS]", help="Its records.")
    ] = None,
    stream: Annotated[
        str | None,
        typer.Option(
            "--stream",
            metavar="NAME",
            help="The input's name in records of several streams, where its path doesn't tell.",
        ),
    ] = None,
) -> int:
    """Hold an annotated video and its records against the input.

    Prints the first difference and exits with 1 if there is one.
    """
    from streamfer.media.verify.outputs import verify_outputs

    differences = verify_outputs(source, output, records, stream=stream)
    if differences:
        print(differences[0])
        return 1
    compared = "frames, times and audio" if records is None else "frames, times, audio and records"
    print(f"{output}: {compared} agree with {source}")
    return 0


def complete_command(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Parquet records and latents of killed runs."),
    ],
) -> int:
    """Complete Parquet records and latents from the journals that a killed run left."""
    from streamfer.app.cli.complete import complete

    return complete(paths)


def measure_command(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORDS...", help="Records of one or several runs.")
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures as JSON.")
    ] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write them as CSV.")] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS|auto",
            help="Also measure how each face departs from its usual look, learned from its first"
            " seconds, or all of it.",
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="TRACK=NAME", help="Tracks of one name have one usual look."),
    ] = None,
) -> int:
    """Measure recorded faces: shares of time, transitions, synchrony and mimicry of pairs."""
    from streamfer.app.report.measure.command import measure

    return measure(records, json_file, csv_file, baseline, name or ())


@with_options(FindConfig)
def find_command(config: FindConfig) -> int:
    """Find moments in recorded latent codes that are like a face, or show most of an expression.

    Latents, and what is found by them, are biometric data: people can be recognised by them. Use
    them only with the consent of those who are to be seen.
    """
    from streamfer.app.report.find.command import find

    return find(config)


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
