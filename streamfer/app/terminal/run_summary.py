"""What is printed when a run ends: each stream, and each face that was in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.text import Text

from streamfer.app.terminal.glyphs import (
    STATE_STYLES,
    Glyphs,
    format_duration,
    glyphs_for,
    label_style,
    share_bar,
)
from streamfer.labels import LABELS
from streamfer.pipeline.stats.snapshots import (
    Percentiles,
    RunSnapshot,
    StreamSnapshot,
    TrackSummary,
)

_MOST_TRACKS = 12
"""Faces listed per stream; crowds would fill screens."""
_LEAST_SHARE = 0.02
"""Expressions shown less of the time are left out of the words."""


def print_summary(snapshot: RunSnapshot, console: Console, notes: Sequence[str] = ()) -> None:
    """Prints one summary per stream and track, and the run's totals.

    Args:
        snapshot: the statistics at the end of the run.
        console: where to.
        notes: what else the user should know, a line each.
    """
    glyphs = glyphs_for(console)
    for stream in snapshot.streams:
        _print(console, _stream_line(stream, snapshot.seconds, glyphs))
        if stream.message and stream.state == "failed":
            _print(console, Text(f"  {stream.message}", STATE_STYLES["failed"]))
        longest = sorted(stream.tracks, key=lambda track: -track.frames)[:_MOST_TRACKS]
        for track in sorted(longest, key=lambda track: track.track_id):
            _print(console, _track_line(track, console.width, glyphs))
        if len(stream.tracks) > len(longest):
            rest = len(stream.tracks) - len(longest)
            _print(console, Text(f"  and {rest} more faces, seen for a shorter time", "dim"))
    for note in notes:
        _print(console, Text(f"note: {note}", "yellow"))
    _print(console, _total_line(snapshot, glyphs))


def _print(console: Console, line: Text) -> None:
    console.print(line, soft_wrap=True, highlight=False)


def _stream_line(stream: StreamSnapshot, seconds: float, glyphs: Glyphs) -> Text:
    line = Text(f"{glyphs.marks[stream.state]} ", STATE_STYLES[stream.state])
    line.append(stream.info.stream, "bold")
    parts = ["" if stream.state == "done" else stream.state, _count(stream.frames, "frame")]
    if seconds > 0:
        parts.append(f"{stream.frames / seconds:.1f} fps")
    parts.append(f"{stream.dropped} dropped")
    if stream.reconnects:
        parts.append(_count(stream.reconnects, "reconnect"))
    parts.append(_count(len(stream.tracks), "face"))
    parts.append(_latency(stream.latency_ms))
    text = glyphs.separator.join(part for part in parts if part)
    return line.append(f"  {text}", "default not bold")


def _track_line(track: TrackSummary, width: int, glyphs: Glyphs) -> Text:
    """A face: when, how long, and how much of the time which expression."""
    span = f"{format_duration(track.first_s)}{glyphs.dash}{format_duration(track.last_s)}"
    line = Text(f"  #{track.track_id:<3d} {span:<13} {track.last_s - track.first_s:7.1f} s  ")
    if width >= 80:
        line.append_text(share_bar(track.share, 20, glyphs)).append("  ")
    order = [i for i in np.argsort(-track.share, kind="stable") if track.share[i] >= _LEAST_SHARE]
    for place, index in enumerate(order):
        words = Text(", " if place else "")
        words.append(LABELS[index], label_style(LABELS[index]))
        words.append(f" {track.share[index] * 100:.0f}%")
        if place and line.cell_len + words.cell_len > width:
            break
        line.append_text(words)
    return line


def _total_line(snapshot: RunSnapshot, glyphs: Glyphs) -> Text:
    parts = [
        f"{_count(snapshot.frames, 'frame')} in {snapshot.seconds:.1f} s",
        f"{snapshot.fps:.1f} fps",
        f"{snapshot.dropped} dropped",
        _latency(snapshot.latency_ms),
        f"{snapshot.backend} on {snapshot.device}",
    ]
    return Text(glyphs.separator.join(part for part in parts if part))


def _latency(latency_ms: Percentiles | None) -> str:
    if latency_ms is None:
        return ""
    return f"p50 {latency_ms.p50:.0f}, p95 {latency_ms.p95:.0f} ms"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
