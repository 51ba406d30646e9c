"""The options of `streamfer edit`, and what they come to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from streamfer.app.cli.latent_options import DeviceOption, FaceModelOption, WeightsOption
from streamfer.errors import ConfigError
from streamfer.labels import LABELS

_MOST_STRENGTHS = 101
_DEFAULT = {"direction": (2.0,), "blend": (0.0, 0.25, 0.5, 0.75, 1.0), "mix": (1.0,)}


def edit_command(
    source: Annotated[
        str, typer.Argument(metavar="PICTURE|FOLDER|VIDEO", help="Whose faces are edited.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the numbers there. [OUT/faces.json]")
    ] = None,
    emotion: Annotated[
        str | None, typer.Option(help=f"The expression that is wanted: {', '.join(LABELS)}.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="How far, in standard deviations; negative: away from it.")
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(metavar="FIRST:LAST:COUNT|S,S,…", help="Several: -3:3:13, or 1,2,3."),
    ] = None,
    morph: Annotated[
        Path | None, typer.Option(help="Towards the face in this picture; 1 is that face.")
    ] = None,
    transfer: Annotated[
        Path | None, typer.Option(help="The expression of the face in this picture.")
    ] = None,
    mix: Annotated[
        Path | None, typer.Option(help="Coarse from this face, fine from that in this picture.")
    ] = None,
    pose: Annotated[
        str | None, typer.Option(metavar="yaw=N|pitch=N", help="Turn the head.")
    ] = None,
    attribute: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Columns picture and value: learn that property, and move it."
        ),
    ] = None,
    fit: Annotated[
        float, typer.Option(help="Codes: 0 as encoded (edits best), 1 refined (fits best).")
    ] = 0.5,
    steps: Annotated[int, typer.Option(help="Steps of the refinement.")] = 60,
    directions: Annotated[Path | None, typer.Option(help="Instead of the shipped ones.")] = None,
    device: DeviceOption = "auto",
    face_model: FaceModelOption = "shipped",
    generator: WeightsOption = None,
    encoder: WeightsOption = None,
    classifier: WeightsOption = None,
) -> int:
    """Give faces another expression or pose, or what another face has."""
    from streamfer.app.cli.edit import EditConfig, edit
    from streamfer.evaluation.edited_face import Edit, Kind

    others: dict[Kind, Path | None] = {"morph": morph, "transfer": transfer, "mix": mix}
    kinds = [kind for kind, path in others.items() if path is not None]
    wanted = [emotion, pose, attribute, *(others[kind] for kind in kinds)]
    if sum(value is not None for value in wanted) != 1:
        raise ConfigError("give one of --emotion, --pose, --attribute, --morph, --transfer, --mix")
    if not 0 <= fit <= 1:
        raise ConfigError(f"--fit {fit:g}: must be between 0 and 1")
    if steps < 1:
        raise ConfigError(f"--steps {steps}: must be at least 1")
    if kinds:
        kind = kinds[0]
        other = others[kind]
        assert other is not None, "one of them was given"
        if not other.is_file():
            raise ConfigError(f"--{kind} {other}: no such file")
        default = _DEFAULT["mix" if kind == "mix" else "blend"]
        plan = Edit(kind, read_strengths(strength, strengths, default))
    else:
        other = None
        name, default = _direction(emotion, pose, attribute)
        plan = Edit("direction", read_strengths(strength, strengths, default), name)
    given = {
        "directions": directions,
        "generator": generator,
        "encoder": encoder,
        "classifier": classifier,
    }
    config = EditConfig(
        source,
        out,
        plan,
        json_file,
        other,
        attribute,
        fit=fit,
        steps=steps,
        device=device,
        face_model=face_model,
        **{key: path for key, path in given.items() if path is not None},
    )
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
    if not all(math.isfinite(value) for value in values):
        raise ConfigError("strengths must be finite numbers")
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


def _direction(
    emotion: str | None, pose: str | None, attribute: Path | None
) -> tuple[str, tuple[float, ...]]:
    if emotion is not None:
        if emotion not in LABELS:
            raise ConfigError(f"--emotion {emotion}: expected one of {', '.join(LABELS)}")
        return emotion, _DEFAULT["direction"]
    if attribute is not None:
        return attribute.stem, _DEFAULT["direction"]
    name, _, amount = (pose or "").partition("=")
    try:
        value = float(amount)
    except ValueError:
        value = float("nan")
    if name not in ("yaw", "pitch") or not math.isfinite(value):
        raise ConfigError(f"--pose {pose}: expected yaw=N or pitch=N, as yaw=-1")
    return name, (value,)
