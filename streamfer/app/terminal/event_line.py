"""The newest event in the words of one line."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from streamfer.app.terminal.glyphs import format_duration
from streamfer.pipeline.stats.snapshots import StreamSnapshot
from streamfer.types import StreamEvent


def newest_event(streams: Iterable[StreamSnapshot]) -> StreamEvent | None:
    """The stream's event that was seen last, by media time."""
    events = [stream.newest_event for stream in streams if stream.newest_event is not None]
    return max(events, key=lambda event: event.time_s, default=None)


def event_line(event: StreamEvent) -> Text:
    """Such as `0:12 cam: expression changed, face 1: neutral → happy`."""
    details = event.details
    words = str(details.get("name", event.event.replace("_", " ")))
    if "track" in details:
        words += f", face {details['track']}"
    if "tracks" in details:
        words += f", faces {', '.join(map(str, details['tracks']))}"
    if "before" in details:
        words += f": {details['before']} to {details['emotion']}"
    elif event.event == "expression_held":
        words += f": {details['emotion']}"
    elif "message" in details:
        words += f": {details['message']}"
    line = Text(f"{format_duration(event.time_s)} ", "dim", no_wrap=True)
    return line.append(f"{event.stream}: ", "bold").append(words, "not bold")
