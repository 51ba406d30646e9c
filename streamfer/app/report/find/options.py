"""What `streamfer find` is asked for, without what it takes to do it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamfer.app.config_fields import argument, check_ranges, option
from streamfer.labels import LABELS
from streamfer.models.shipped import SHIPPED

By = Literal["expression", "whole"]


@dataclass(frozen=True, slots=True)
class FindConfig:
    """What `find` is asked for."""

    latents: Path = argument("A file that run --latents wrote.", metavar="LATENTS")
    like: str | None = option(
        None,
        "The face that is sought: of a picture, or of a track at a time (3@12.5).",
        metavar="PICTURE|[STREAM:]TRACK@TIME",
    )
    emotion: str | None = option(
        None, f"Go by this expression alone; without --like, most of it: {', '.join(LABELS)}."
    )
    by: By = option(
        "expression", "Compare expressions, or whole codes: the person, pose and light too."
    )
    count: int = option(10, "Most moments to find.", low=1, high=1000)
    apart: float = option(1.0, "Least seconds between two moments of one track.", low=0)
    video: tuple[str, ...] = option(
        (),
        "The analysed video, for a picture of each moment; once for each stream.",
        metavar="[STREAM=]FILE",
    )
    out: Path = option(Path("found"), "Folder of these pictures.", metavar="DIR")
    json: Path | None = option(None, "Write what was found as JSON.", metavar="FILE")
    directions: Path = option(
        SHIPPED.directions, "Instead of the shipped ones.", show_default=False
    )

    def __post_init__(self) -> None:
        check_ranges(self)
