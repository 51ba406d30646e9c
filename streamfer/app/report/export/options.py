"""The command line of `streamfer export`, without what it takes to do it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streamfer.media.subtitles.wording import Language

Format = Literal["vtt", "srt", "ass", "eaf", "textgrid", "csv", "parquet", "edl"]


def export_command(
    records: Annotated[
        list[Path],
        typer.Argument(metavar="RECORDS...", help="Records, in the order of time."),
    ],
    to: Annotated[
        Format,
        typer.Option(
            "--to",
            help="Subtitles (vtt, srt, ass), annotations (eaf for ELAN, textgrid for Praat), a"
            " table (csv, parquet), or markers for editors (edl).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    language: Annotated[Language, typer.Option("--language", help="Of the words.")] = "en",
    stream: Annotated[
        str | None,
        typer.Option("--stream", metavar="NAME", help="Which stream, where there are several."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="TRACK=NAME", help="What to call a track; repeatable."),
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="Go on with the files that --segment made.")
    ] = False,
) -> int:
    """Write records as subtitles, annotations, a table or markers.

    A cue stands for every expression that stays for half a second.
    """
    from streamfer.app.report.export.command import export

    return export(
        records, to, out, language=language, stream=stream, names=name or (), segments=segments
    )
