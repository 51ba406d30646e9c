"""What the heads say of a face, as rows of a panel: bars from a zero that may be in the middle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streamfer.fields import FieldValue, is_number


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: of which field, and the values at its ends."""

    field: str
    low: float
    high: float

    def span(self, value: FieldValue) -> tuple[float, float] | None:
        """From where to where it is filled, as fractions of its length; None without a value."""
        if not is_number(value):
            return None
        zero, end = self._place(0.0), self._place(value)
        return min(zero, end), max(zero, end)

    def _place(self, value: float) -> float:
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


@dataclass(frozen=True, slots=True)
class MeasureRow:
    """A row of a panel: a label and bars beside each other."""

    label: str
    bars: tuple[Bar, ...]


ROWS: tuple[MeasureRow, ...] = (
    MeasureRow("valence", (Bar("valence", -1, 1),)),
    MeasureRow("shown", (Bar("expressiveness", 0, 1),)),
    MeasureRow("departs", (Bar("departure", 0, 1),)),
    MeasureRow("pose", tuple(Bar(name, -90, 90) for name in ("yaw", "pitch", "roll"))),
)
"""What panels show, where the face has it."""


def rows_of(extra: Mapping[str, FieldValue]) -> tuple[MeasureRow, ...]:
    """The rows for a face, by its fields and not by their values, so that a panel keeps its size.

    Args:
        extra: see `FaceResult.extra`.
    """
    return tuple(row for row in ROWS if all(bar.field in extra for bar in row.bars))


def filled_spans(
    rows: Sequence[MeasureRow], extra: Mapping[str, FieldValue]
) -> list[list[tuple[float, float] | None]]:
    """For each row and bar what is filled; see `Bar.span`."""
    return [[bar.span(extra.get(bar.field)) for bar in row.bars] for row in rows]
