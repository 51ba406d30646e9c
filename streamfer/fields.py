"""The fields of the records: one table from which every format, reader and check derives.

A field that is added to `FACE_FIELDS` is in JSONL, CSV, Parquet, `to_dict` and `verify`. What a
`FaceHead` (`streamfer.vision.heads`) answers is declared with the same `FieldSpec`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard, get_args

import numpy as np

from streamfer.errors import ConfigError
from streamfer.labels import LABELS

FieldKind = Literal["integer", "number", "text", "flag", "numbers", "points"]
"""`flag`: true or false; `numbers`: a list of them; `points`: a list of (x, y)."""
FieldValue = int | float | str | bool | list[float] | list[list[float]] | None
"""What a field of a record may be: ready for JSON, None where there is no answer."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """The name and the form of a field.

    Raises:
        ConfigError: the name is no lower-case identifier, or the columns don't suit the kind.
    """

    name: str
    kind: FieldKind = "number"
    columns: tuple[str, ...] = ()
    """In CSV, of the elements of `numbers` and of the coordinates of `points`; others have one
    column of their own name."""
    digits: int = 6
    """Numbers are rounded to so many decimals."""
    unit: str = ""
    """For people: `degrees`, …"""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"field {self.name!r}: names are lower-case letters, digits and _")
        if self.kind not in get_args(FieldKind):
            known = ", ".join(get_args(FieldKind))
            raise ConfigError(f"field {self.name}: kind {self.kind!r} is none of {known}")
        if bool(self.columns) != (self.kind in ("numbers", "points")):
            raise ConfigError(f"field {self.name}: columns are for numbers and points, one each")

    @property
    def cell_names(self) -> tuple[str, ...]:
        """Its columns in CSV."""
        return self.columns or (self.name,)

    def plain(self, value: Any) -> FieldValue:
        """A value, arrays included, as JSON has it; numbers that are not finite become None."""
        if value is None:
            return None
        if self.kind == "text":
            return str(value)
        if self.kind == "flag":
            return bool(value)
        if self.kind == "integer":
            return int(value)
        # In float64: a float32 of 0.1 would be written with all the digits of its error.
        if self.kind == "number":
            number = round(float(value), self.digits)
            return number if math.isfinite(number) else None
        numbers = np.round(np.asarray(value, dtype=np.float64), self.digits)
        plain: list[float] | list[list[float]] = numbers.tolist()
        return plain if np.isfinite(numbers).all() else None

    def cells(self, value: Any) -> list[Any]:
        """A plain value as its cells in CSV."""
        if value is None:
            return [None] * len(self.cell_names)
        if self.kind == "flag":
            return ["true" if value else "false"]
        if self.kind == "points":
            return [number for point in value for number in point]
        return list(value) if self.kind == "numbers" else [value]

    def of_cells(self, cells: Sequence[str]) -> FieldValue:
        """A plain value of its cells in CSV.

        Raises:
            ValueError: a cell is no number.
        """
        if not cells[0]:
            return None
        if self.kind == "text":
            return cells[0]
        if self.kind == "flag":
            return cells[0].lower() == "true"
        if self.kind == "integer":
            return int(cells[0])
        numbers = [float(cell) for cell in cells]
        if self.kind == "points":
            return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
        return numbers if self.kind == "numbers" else numbers[0]

    def to_json(self) -> dict[str, Any]:
        """How the records' header declares it."""
        declared: dict[str, Any] = {"name": self.name, "kind": self.kind}
        if self.columns:
            declared["columns"] = list(self.columns)
        return declared | ({"unit": self.unit} if self.unit else {})


def declared_fields(header: Mapping[str, Any]) -> tuple[FieldSpec, ...]:
    """The fields that a records' header declares besides `FACE_FIELDS`.

    What a newer program declares in a way that this one doesn't know is passed over.
    """
    entries = header.get("fields")
    found = []
    for entry in entries if isinstance(entries, list) else []:
        try:
            columns = tuple(entry.get("columns", ()))
            spec = FieldSpec(entry["name"], entry["kind"], columns, unit=entry.get("unit", ""))
        except (ConfigError, KeyError, TypeError, AttributeError):
            continue
        if spec.name not in _TABLE_NAMES:
            found.append(spec)
    return tuple(found)


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value of a record is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def fits(spec: FieldSpec, value: object) -> bool:
    """Whether a record's value may be a field's; None always may."""
    if value is None:
        return True
    if spec.kind in ("text", "flag"):
        return isinstance(value, str if spec.kind == "text" else bool)
    if spec.kind == "points":
        return _are_points(value, len(spec.columns) // 2)
    if spec.kind == "numbers":
        return _are_numbers(value, len(spec.columns))
    return is_number(value) and (spec.kind == "number" or isinstance(value, int))


def _are_numbers(values: Any, length: int) -> bool:
    return isinstance(values, list) and len(values) == length and all(map(is_number, values))


def _are_points(points: Any, count: int) -> bool:
    return (
        isinstance(points, list)
        and len(points) == count
        and all(_are_numbers(point, 2) for point in points)
    )


def _are_probabilities(values: Any) -> bool:
    return (
        _are_numbers(values, len(LABELS))
        and min(values) >= 0
        and abs(sum(values) - 1) <= PROBABILITY_TOLERANCE
    )


def _is_share(value: Any) -> bool:
    return is_number(value) and 0 <= value <= 1


def _is_none_or_positive(value: Any) -> bool:
    return value is None or (is_number(value) and value >= 0)


PROBABILITY_TOLERANCE = 1e-3
"""By which probabilities may miss 1: seven float32 of a half-precision network, rounded."""
_PIXEL_DIGITS = 2
LANDMARK_NAMES = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
"""In the order of the schema; left and right as seen in the image."""


@dataclass(frozen=True, slots=True)
class FaceField:
    """A row of the table: what a field of a face is, where it comes from, what it may be."""

    spec: FieldSpec
    of: Callable[[Any], Any]
    """Takes the value from a `FaceResult`."""
    is_right: Callable[[Any], bool]
    wanted: str
    """What `is_right` asks for, in words."""
    required: bool = True
    """Whether a record without it is damaged."""


FRAME_FIELDS: tuple[FieldSpec, ...] = (
    FieldSpec("stream", "text"),
    FieldSpec("frame", "integer"),
    FieldSpec("time_s"),
    FieldSpec("wall", "text"),
    FieldSpec("dropped", "integer"),
)
"""What a frame's rows share in a table."""

_BOX = FieldSpec(
    "box", "numbers", tuple(f"box_{edge}" for edge in ("x1", "y1", "x2", "y2")), _PIXEL_DIGITS
)
_LANDMARKS = FieldSpec(
    "landmarks",
    "points",
    tuple(f"landmark_{name}_{axis}" for name in LANDMARK_NAMES for axis in "xy"),
    _PIXEL_DIGITS,
)
_PROBS = FieldSpec("probs", "numbers", tuple(f"prob_{label}" for label in LABELS))
_SMOOTHED = FieldSpec("smoothed", "numbers", tuple(f"smoothed_{label}" for label in LABELS))
_SEVEN = "seven probabilities that sum to 1"

FACE_FIELDS: tuple[FaceField, ...] = (
    FaceField(
        FieldSpec("track", "integer"),
        lambda face: face.track_id,
        lambda v: isinstance(v, int) and v >= 1,
        "a number from 1",
    ),
    FaceField(
        _BOX, lambda face: face.detection.box_xyxy, lambda v: _are_numbers(v, 4), "four numbers"
    ),
    FaceField(FieldSpec("score"), lambda face: face.detection.score, _is_share, "from 0 to 1"),
    FaceField(
        _LANDMARKS,
        lambda face: face.detection.landmarks,
        lambda v: _are_points(v, len(LANDMARK_NAMES)),
        "five points",
    ),
    FaceField(
        FieldSpec("emotion", "text"), lambda face: face.emotion, lambda v: v in LABELS, "a label"
    ),
    FaceField(_PROBS, lambda face: face.probs, _are_probabilities, _SEVEN),
    FaceField(_SMOOTHED, lambda face: face.smoothed, _are_probabilities, _SEVEN),
    FaceField(
        FieldSpec("latent", "text"),
        lambda face: face.latent_kind,
        lambda v: v in (None, "encoder", "refined"),
        "null, encoder or refined",
        required=False,
    ),
    FaceField(
        FieldSpec("reconstruction_error"),
        lambda face: face.reconstruction_error,
        _is_none_or_positive,
        "null or ≥ 0",
        required=False,
    ),
    FaceField(
        FieldSpec("refined_age_s", unit="seconds"),
        lambda face: face.refined_age_s,
        _is_none_or_positive,
        "null or ≥ 0",
        required=False,
    ),
    FaceField(
        FieldSpec("trust"),
        lambda face: face.trust,
        lambda v: v is None or _is_share(v),
        "null or from 0 to 1",
        required=False,
    ),
)
"""Fields of a face, in their order; all null in the row of a frame without faces."""

_TABLE_NAMES = frozenset(
    ("faces", "event", *(f.name for f in FRAME_FIELDS), *(f.spec.name for f in FACE_FIELDS))
)


def check_names(specs: Sequence[FieldSpec]) -> None:
    """Refuses fields that would stand in each other's or the table's place.

    Raises:
        ConfigError: a name, or the name of a column, is taken.
    """
    table = (*FRAME_FIELDS, *(f.spec for f in FACE_FIELDS))
    taken = set(_TABLE_NAMES).union(*(spec.cell_names for spec in table))
    for spec in specs:
        for name in {spec.name, *spec.cell_names}:
            if name in taken:
                raise ConfigError(f"field {spec.name}: the name {name} is taken")
        taken |= {spec.name, *spec.cell_names}


def face_to_dict(face: Any) -> dict[str, FieldValue]:
    """A `FaceResult` as records have it: the table's fields, then those of the heads."""
    return {f.spec.name: f.spec.plain(f.of(face)) for f in FACE_FIELDS} | dict(face.extra)
