"""The command line of `streamfer find`, without what it takes to do it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from streamfer.labels import LABELS

By = Literal["expression", "whole"]


def add_find_command(app: typer.Typer) -> None:
    """Gives the program its `find` command."""
    app.command("find")(find_command)


def find_command(
    latents: Annotated[
        Path, typer.Argument(metavar="LATENTS", help="A file that run --latents wrote.")
    ],
    like: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE|[STREAM:]TRACK@TIME",
            help="The face that is sought: of a picture, or of a track at a time (3@12.5).",
        ),
    ] = None,
    emotion: Annotated[
        str | None,
        typer.Option(
            help=f"Go by this expression alone; without --like, most of it: {', '.join(LABELS)}."
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(help="Compare expressions, or whole codes: the person, pose and light too."),
    ] = "expression",
    count: Annotated[int, typer.Option(min=1, max=1000, help="Most moments to find.")] = 10,
    apart: Annotated[
        float, typer.Option(min=0.0, help="Least seconds between two moments of one track.")
    ] = 1.0,
    video: Annotated[
        list[str] | None,
        typer.Option(
            "--video",
            metavar="[STREAM=]FILE",
            help="The analysed video, for a picture of each moment; once for each stream.",
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder of these pictures.")
    ] = Path("found"),
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write what was found as JSON.")
    ] = None,
    directions: Annotated[Path | None, typer.Option(help="Instead of the shipped ones.")] = None,
) -> int:
    """Find moments in recorded latent codes that are like a face, or show most of an expression.

    Latents, and what is found by them, are biometric data: people can be recognised by them. Use
    them only with the consent of those who are to be seen.
    """
    from streamfer.app.report.find.command import FindConfig, find

    return find(
        FindConfig(
            latents,
            like,
            emotion,
            by,
            count,
            apart,
            tuple(video or ()),
            out,
            json_file,
            directions,
        )
    )
