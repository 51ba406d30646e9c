"""Markers for video editors: CMX 3600 with the comments that DaVinci Resolve reads as markers."""

from __future__ import annotations

from streamfer.media.subtitles.timeline import Timeline
from streamfer.media.subtitles.wording import one_line

_FIRST_HOUR_S = 3600
"""Timelines of editors begin at 01:00:00:00."""
_COLOURS = {
    "angry": "Red",
    "disgust": "Green",
    "fear": "Purple",
    "happy": "Yellow",
    "sad": "Blue",
    "surprise": "Cyan",
    "neutral": "Cream",
}
"""Of Resolve's markers, as near to the labels' as there are."""


def to_edl(timeline: Timeline) -> str:
    """One event for each cue, a frame long, with the marker's colour, text and length.

    Time codes count frames without dropping numbers, at the whole rate nearest to the stream's.
    """
    base = max(round(timeline.frame_rate), 1)
    lines = [f"TITLE: {one_line(timeline.stream)}", "FCM: NON-DROP FRAME", ""]
    for number, cue in enumerate(timeline.cues, start=1):
        first = round(cue.start_s * timeline.frame_rate)
        length = max(round((cue.end_s - cue.start_s) * timeline.frame_rate), 1)
        start, end = (_timecode(first + shift, base) for shift in (0, 1))
        text = one_line(timeline.text(cue)).replace("|", "/")
        lines += [
            f"{number:03d}  001      V     C        {start} {end} {start} {end}  ",
            f" |C:ResolveColor{_COLOURS.get(cue.emotion, 'Cream')} |M:{text} |D:{length}",
            "",
        ]
    return "\n".join(lines)


def _timecode(frame: int, base: int) -> str:
    seconds, frames = divmod(frame, base)
    minutes, seconds = divmod(seconds + _FIRST_HOUR_S, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"
