"""What was read of a data set, per class, and what was passed over and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

_NAMES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A row or a file that is not among the faces."""

    name: str
    why: str


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What a reader found."""

    faces: int
    classes: Mapping[str, int]
    """Faces by the data set's own label; every one of the seven has an entry."""
    votes: Mapping[str, int] | None
    """Faces by the label most voted for in FER+; None where nobody voted."""
    subjects: int | None
    """How many people they are; None where nothing tells."""
    mapping: Mapping[str, str]
    """What stood for which class: folder or code → label."""
    passed_over: tuple[PassedOver, ...] = ()
    faceless: tuple[str, ...] = ()
    """Pictures in which no face was found: each is taken whole, as those of face data sets are."""

    unnamed: tuple[str, ...] = ()
    """Pictures that nobody is named for, where somebody is for others."""

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """What a table of counts does not say: mapping, empty classes, what was passed over."""
        lines = []
        if self.mapping:
            pairs = ", ".join(f"{code} → {label}" for code, label in self.mapping.items())
            lines.append(f"classes: {pairs}")
        if empty := [name for name, count in self.classes.items() if not count]:
            lines.append(f"no face of: {', '.join(empty)}")
        for why, count in Counter(item.why for item in self.passed_over).most_common():
            names = [item.name for item in self.passed_over if item.why == why]
            lines.append(f"passed over {count}: {why} ({_first(names)})")
        if self.unnamed:
            lines.append(
                f"unnamed {len(self.unnamed)}: nothing says who is in the picture, each counts as"
                f" another person ({_first(self.unnamed)})"
            )
        if self.faceless:
            lines.append(taken_whole(self.faceless))
        return lines


def taken_whole(names: Sequence[str]) -> str:
    """What to say of pictures in which no face was found."""
    return f"taken whole {len(names)}: no face was found in the picture ({_first(names)})"


def _first(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def print_summary(title: str, summary: DataSummary, console: Console) -> None:
    """Shows a summary as a table with a column per class, and its lines."""
    people = "" if summary.subjects is None else f", {summary.subjects} subjects"
    table = Table(title=f"{title}: {summary.faces} faces{people}", title_justify="left", box=None)
    for name in ("", *summary.classes):
        table.add_column(name, justify="right")
    table.add_row("label", *(str(count) for count in summary.classes.values()))
    if summary.votes is not None:
        table.add_row("votes", *(str(count) for count in summary.votes.values()))
    console.print(table)
    for line in summary.lines():
        console.print(line, markup=False, highlight=False, soft_wrap=True)
