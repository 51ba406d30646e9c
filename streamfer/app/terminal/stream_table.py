"""One row per stream, with its faces beneath it where there is room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from streamfer.app.terminal.glyphs import (
    STATE_STYLES,
    Glyphs,
    expression_bars,
    format_duration,
    label_style,
    progress_bar,
)
from streamfer.labels import UNCERTAIN
from streamfer.pipeline.stats.snapshots import StreamSnapshot
from streamfer.types import StreamState

_URGENCY: dict[StreamState, int] = {
    "failed": 0,
    "reconnecting": 1,
    "stalled": 2,
    "connecting": 3,
    "live": 4,
    "running": 4,
    "waiting": 5,
    "interrupted": 6,
    "done": 6,
}
"""Which streams are shown first where not all of them fit."""
_NAME_WIDTH = (10, 32)
"""Least and most characters for a stream's name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A stream and what only its history tells."""

    stream: StreamSnapshot
    eta_s: float | None
    """Seconds until a file is done; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    width: int
    rank: int
    """Columns of the highest rank go first in a narrow terminal."""
    cell: Callable[[Row, Glyphs], Text]


def done_fraction(stream: StreamSnapshot) -> float | None:
    """How much of a file is analysed, 0–1; None where its length is unknown."""
    info = stream.info
    if info.live:
        return None
    if stream.state == "done":
        return 1.0
    # Its frames first: they are those of all rounds, and of the part that is played.
    if info.frame_count:
        return min((stream.frames + stream.dropped) / info.frame_count, 1.0)
    if info.duration_s:
        return min(stream.time_s / info.duration_s, 1.0)
    return None


def _state_cell(row: Row, glyphs: Glyphs) -> Text:
    state = row.stream.state
    return Text(state, STATE_STYLES[state])


def _size_cell(row: Row, glyphs: Glyphs) -> Text:
    info = row.stream.info
    size = f"{info.width}{glyphs.times}{info.height}" if info.width else glyphs.dash
    return Text(size, "dim")


def _drops_cell(row: Row, glyphs: Glyphs) -> Text:
    return Text(str(row.stream.dropped), "yellow" if row.stream.dropped else "dim")


def _queue_cell(row: Row, glyphs: Glyphs) -> Text:
    fill = row.stream.queue_fill
    style = "red" if fill > 0.9 else "yellow" if fill > 0.5 else "dim"
    return Text(f"{fill * 100:.0f}%", style)


def _latency_cell(row: Row, glyphs: Glyphs, which: str) -> Text:
    latency = row.stream.latency_ms
    if latency is None:
        return Text(glyphs.dash, "dim")
    return Text(f"{getattr(latency, which):.0f}")


def _faces_cell(row: Row, glyphs: Glyphs) -> Text:
    return Text(str(len(row.stream.current)), "bold" if row.stream.current else "dim")


def _progress_cell(row: Row, glyphs: Glyphs) -> Text:
    fraction = done_fraction(row.stream)
    if fraction is None:
        return Text(format_duration(row.stream.time_s), "dim")
    text = progress_bar(fraction, 8, glyphs).append(f" {fraction * 100:3.0f}%")
    if row.eta_s is not None and row.stream.state == "running":
        text.append(f" {format_duration(row.eta_s)}", "dim")
    return text


_COLUMNS = (
    _Column("state", 12, 5, _state_cell),
    _Column("size", 9, 9, _size_cell),
    _Column("fps in", 6, 7, lambda row, glyphs: Text(f"{row.stream.fps_in:.1f}", "dim")),
    _Column("fps", 6, 0, lambda row, glyphs: Text(f"{row.stream.fps_out:.1f}")),
    _Column("drops", 6, 1, _drops_cell),
    _Column("queue", 5, 8, _queue_cell),
    _Column("p50 ms", 6, 6, lambda row, glyphs: _latency_cell(row, glyphs, "p50")),
    _Column("p95 ms", 6, 3, lambda row, glyphs: _latency_cell(row, glyphs, "p95")),
    _Column("faces", 5, 4, _faces_cell),
    _Column("progress", 21, 2, _progress_cell),
)
_LEFT_ALIGNED = ("state", "progress")


def table_lines(rows: Sequence[Row], width: int, height: int, glyphs: Glyphs) -> list[Text]:
    """The table, in at most `height` lines of at most `width` characters.

    Every stream gets its row before any gets details; where not even the rows fit, the streams in
    trouble come first and the rest is counted in the last line.

    Args:
        rows: the streams, in their order.
        width: characters.
        height: lines, at least 3.
        glyphs: the characters to use.
    """
    columns = _columns_for(width)
    name_width = max(min(width - sum(c.width + 1 for c in columns) - 2, _NAME_WIDTH[1]), 4)
    lines = [_heading(columns, name_width)]
    room = height - len(lines)
    shown = _most_urgent(rows, room if len(rows) <= room else room - 1)
    details = (
        _share_room(shown, room - len(shown), width, glyphs) if len(shown) == len(rows) else {}
    )
    for row in shown:
        lines.append(_row_line(row, columns, name_width, glyphs))
        lines.extend(details.get(row.stream.info.stream, ()))
    if len(shown) < len(rows):
        lines.append(_rest_line(rows, shown, glyphs))
    for line in lines:
        line.no_wrap = True
        line.truncate(width)
    return lines


def _columns_for(width: int) -> tuple[_Column, ...]:
    columns = list(_COLUMNS)
    while len(columns) > 1 and sum(c.width + 1 for c in columns) + 2 + _NAME_WIDTH[0] > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return tuple(columns)


def _heading(columns: Sequence[_Column], name_width: int) -> Text:
    cells = [
        c.title.ljust(c.width) if c.title in _LEFT_ALIGNED else c.title.rjust(c.width)
        for c in columns
    ]
    return Text(" ".join(["stream".ljust(name_width + 2), *cells]), "dim")


def _row_line(row: Row, columns: Sequence[_Column], name_width: int, glyphs: Glyphs) -> Text:
    stream = row.stream
    line = Text(glyphs.marks[stream.state], STATE_STYLES[stream.state])
    line.append(" ")
    line.append(_shortened(stream.info.stream, name_width, glyphs).ljust(name_width), "bold")
    for column in columns:
        cell = column.cell(row, glyphs)
        cell.align("left" if column.title in _LEFT_ALIGNED else "right", column.width)
        line.append(" ").append_text(cell)
    return line


def _shortened(name: str, width: int, glyphs: Glyphs) -> str:
    """The name with its middle left out where it is too long: beginnings are often all alike."""
    if len(name) <= width:
        return name
    kept = max(width - len(glyphs.ellipsis), 1)
    head = kept // 2
    return name[:head] + glyphs.ellipsis + name[len(name) - (kept - head) :]


def _most_urgent(rows: Sequence[Row], count: int) -> list[Row]:
    """The `count` rows that matter most, in their own order."""
    ranked = sorted(range(len(rows)), key=lambda i: _URGENCY[rows[i].stream.state])
    return [rows[i] for i in sorted(ranked[: max(count, 0)])]


def _share_room(
    rows: Sequence[Row], room: int, width: int, glyphs: Glyphs
) -> Mapping[str, list[Text]]:
    """Gives the free lines out: one detail to each stream in turn."""
    waiting = {row.stream.info.stream: _details(row.stream, width, glyphs) for row in rows}
    given: dict[str, list[Text]] = {name: [] for name in waiting}
    while room > 0 and any(waiting.values()):
        for name, lines in waiting.items():
            if lines and room > 0:
                given[name].append(lines.pop(0))
                room -= 1
    return given


def _details(stream: StreamSnapshot, width: int, glyphs: Glyphs) -> list[Text]:
    """What stands beneath a stream's row: why it is in trouble, and its faces."""
    lines = []
    if stream.message and stream.state not in ("live", "running", "done"):
        lines.append(Text(f"    {stream.message}", STATE_STYLES[stream.state]))
    if stream.state in ("live", "running"):
        for face in stream.current:
            line = Text(f"    #{face.track_id:<3d} ")
            if face.emotion is None:
                line.append(f"{UNCERTAIN:<13}   ", "dim")
            else:
                line.append(f"{face.emotion:<8}", label_style(face.emotion) + " bold")
                line.append(f" {face.share * 100:3.0f}%   ")
            bars = expression_bars(face.smoothed, width - len(line), glyphs)
            lines.append(line.append_text(bars))
    return lines


def _rest_line(rows: Sequence[Row], shown: Sequence[Row], glyphs: Glyphs) -> Text:
    hidden = Counter(row.stream.state for row in rows)
    hidden.subtract(row.stream.state for row in shown)
    counts = ", ".join(f"{hidden[state]} {state}" for state in _URGENCY if hidden[state] > 0)
    return Text(f"{glyphs.ellipsis} and {len(rows) - len(shown)} more: {counts}", "dim")
