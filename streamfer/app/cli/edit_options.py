"""The options of `streamfer edit`, and what they come to."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from streamfer.app.cli.latent_options import LatentOptions
from streamfer.app.cli.options import with_options
from streamfer.app.config_fields import REQUIRED, argument, option
from streamfer.errors import ConfigError
from streamfer.labels import LABELS
from streamfer.models.inversion.descent import (
    ADAM_STEPS_OF_AN_EDIT,
    FIT_OF_AN_EDIT,
    NEWTON_STEPS_OF_AN_EDIT,
)
from streamfer.models.shipped import SHIPPED

_MOST_STRENGTHS, _LARGEST_STRENGTH = 101, 1000
_BLEND = (0.0, 0.25, 0.5, 0.75, 1.0)
_STRENGTHS: dict[str, tuple[float, ...]] = {"morph": _BLEND, "transfer": _BLEND, "mix": (1.0,)}
"""Where none are given."""
_STRENGTH_OF_DIRECTIONS: tuple[float, ...] = (2.0,)


@dataclass(frozen=True, slots=True, kw_only=True)
class EditConfig(LatentOptions):
    """What `edit` is asked for."""

    source: str = argument("Whose faces are edited.", metavar="PICTURE|FOLDER|VIDEO")
    out: Path = option(REQUIRED, "Folder for the results.")
    json: Path | None = option(None, "Write the numbers there. [OUT/faces.json]")
    emotion: str | None = option(None, f"The expression that is wanted: {', '.join(LABELS)}.")
    strength: float | None = option(
        None, "How far, in standard deviations; negative: away from it."
    )
    strengths: str | None = option(
        None, "Several: -3:3:13, or 1,2,3.", metavar="FIRST:LAST:COUNT|S,S,…"
    )
    morph: Path | None = option(None, "Towards the face in this picture; 1 is that face.")
    transfer: Path | None = option(None, "The expression of the face in this picture.")
    mix: Path | None = option(None, "Coarse from this face, fine from that in this picture.")
    pose: str | None = option(None, "Turn the head.", metavar="yaw=N|pitch=N")
    attribute: Path | None = option(
        None,
        "Columns picture and value: learn that property, and move it.",
        metavar="FILE.csv",
    )
    fit: float = option(
        FIT_OF_AN_EDIT, "Codes: 0 as encoded (edits best), 1 refined (fits best).", low=0, high=1
    )
    steps: int | None = option(
        None,
        f"Steps of the refinement. [{NEWTON_STEPS_OF_AN_EDIT};"
        f" {ADAM_STEPS_OF_AN_EDIT} for networks of your own]",
        low=1,
    )
    directions: Path = option(
        SHIPPED.directions, "Instead of the shipped ones.", show_default=False
    )

    def __post_init__(self) -> None:
        LatentOptions.__post_init__(self)  # a bare super() does not find slotted classes
        wanted = (
            self.emotion,
            self.pose,
            self.attribute,
            self.morph,
            self.transfer,
            self.mix,
        )
        if sum(value is not None for value in wanted) != 1:
            raise ConfigError(
                "give one of --emotion, --pose, --attribute, --morph, --transfer, --mix"
            )
        if self.other is not None and not os.path.isfile(self.other):
            raise ConfigError(f"--{self.toward} {self.other}: no such file")
        if self.emotion is not None and self.emotion not in LABELS:
            raise ConfigError(f"--emotion {self.emotion}: expected one of {', '.join(LABELS)}")
        if self.pose is not None:
            read_pose(self.pose)
        read_strengths(self.strength, self.strengths, _BLEND)

    @property
    def toward(self) -> Literal["morph", "transfer", "mix"] | None:
        """How the face comes nearer to another one; None where there is no other."""
        if self.morph is not None:
            return "morph"
        if self.transfer is not None:
            return "transfer"
        return None if self.mix is None else "mix"

    @property
    def other(self) -> Path | None:
        """The picture of the other face, where the edit needs one."""
        return self.morph or self.transfer or self.mix

    @property
    def direction(self) -> str:
        """Along which direction codes are moved; empty where there is another face."""
        if self.attribute is not None:
            return self.attribute.stem
        return self.emotion or ("" if self.pose is None else read_pose(self.pose)[0])

    @property
    def wanted_strengths(self) -> tuple[float, ...]:
        """In standard deviations along a direction; else 0 (this face) to 1 (the other)."""
        default = _STRENGTH_OF_DIRECTIONS
        if self.toward is not None:
            default = _STRENGTHS[self.toward]
        elif self.pose is not None:
            default = (read_pose(self.pose)[1],)
        return read_strengths(self.strength, self.strengths, default)


@with_options(EditConfig)
def edit_command(config: EditConfig) -> int:
    """Give faces another expression or pose, or what another face has."""
    from streamfer.app.cli.edit import edit

    return edit(config)


def read_strengths(
    one: float | None, several: str | None, default: tuple[float, ...]
) -> tuple[float, ...]:
    """The strengths that are asked for.

    Raises:
        ConfigError: both are given, or they cannot be read.
    """
    if several is None:
        values = default if one is None else (one,)
    elif one is not None:
        raise ConfigError("give --strength or --strengths, not both")
    else:
        values = _several(several)
    if not all(abs(value) <= _LARGEST_STRENGTH for value in values):  # nor NaN
        raise ConfigError(f"strengths must be numbers of at most {_LARGEST_STRENGTH}")
    return tuple(float(value) for value in values)


def _several(text: str) -> tuple[float, ...]:
    try:
        if ":" not in text:
            values = tuple(float(part) for part in text.split(","))
        else:
            first, last, count = text.split(":")
            if not 2 <= int(count) <= _MOST_STRENGTHS:
                raise ConfigError(
                    f"--strengths {text}: COUNT must be between 2 and {_MOST_STRENGTHS}"
                )
            start, end = float(first), float(last)
            if not (math.isfinite(start) and math.isfinite(end)):
                raise ConfigError(f"--strengths {text}: must be finite numbers")
            step = (end - start) / (int(count) - 1)
            values = tuple(round(start + number * step, 6) for number in range(int(count)))
    except ValueError as error:
        raise ConfigError(
            f"--strengths {text}: expected FIRST:LAST:COUNT as -3:3:13, or numbers as 1,2,3"
        ) from error
    if len(set(values)) != len(values):
        raise ConfigError(f"--strengths {text}: names a strength twice")
    return values


def read_pose(text: str) -> tuple[str, float]:
    """The name and the amount of a turn.

    Raises:
        ConfigError: it is none.
    """
    name, _, amount = text.partition("=")
    try:
        value = float(amount)
    except ValueError:
        value = float("nan")
    if name not in ("yaw", "pitch") or not math.isfinite(value):
        raise ConfigError(f"--pose {text}: expected yaw=N or pitch=N, as yaw=-1")
    return name, value
