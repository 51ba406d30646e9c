"""Subtitles for players: WebVTT, SubRip and Advanced SubStation Alpha."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.media.subtitles.cues import Cue
from streamfer.media.subtitles.timeline import Timeline
from streamfer.media.subtitles.wording import one_line

_LINE_SHARE = 0.075
"""Height of a line of text, as a fraction of the picture's."""
_WHITE = (255, 255, 255)
_VTT_COLOURS = {
    "angry": "red",
    "disgust": "lime",
    "fear": "magenta",
    "happy": "yellow",
    "sad": "blue",
    "surprise": "cyan",
    "neutral": "white",
}
"""WebVTT's own, section 5.1 of the standard, as near to the labels' as there are."""


@dataclass(frozen=True, slots=True)
class CueText:
    """What stands in one cue."""

    cue: Cue
    text: str
    speaker: str
    """Whose expression it is."""


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How one kind of file is written, cue by cue."""

    header: Callable[[str, tuple[int, int]], str]
    """Of a stream's name and its picture's width and height in px."""
    cue: Callable[[int, CueText, tuple[int, int]], str]
    """Of a cue's number from 1, what it says, and the picture's size."""


def to_vtt(timeline: Timeline) -> str:
    """WebVTT: each cue under its face, in one of the colours that need no style sheet.

    A STYLE block would carry the exact ones, but Firefox passes over it and FFmpeg before 6 reads
    no cue behind it.
    """
    return _whole(TEXT_FORMATS[".vtt"], timeline)


def to_srt(timeline: Timeline) -> str:
    """SubRip: coloured; it knows no places."""
    return _whole(TEXT_FORMATS[".srt"], timeline)


def to_ass(timeline: Timeline) -> str:
    """Advanced SubStation Alpha: a style for each label, each cue under its face."""
    return _whole(TEXT_FORMATS[".ass"], timeline)


def _whole(form: TextFormat, timeline: Timeline) -> str:
    cues = (
        form.cue(
            number,
            CueText(cue, timeline.text(cue), timeline.wording.person(cue.track)),
            timeline.size_wh,
        )
        for number, cue in enumerate(timeline.cues, start=1)
    )
    return form.header(timeline.stream, timeline.size_wh) + "".join(cues)


def _vtt_header(stream: str, size_wh: tuple[int, int]) -> str:
    return "WEBVTT\n"


def _vtt_cue(number: int, said: CueText, size_wh: tuple[int, int]) -> str:
    x, y = _place(said.cue, size_wh)
    cue, text = said.cue, html.escape(one_line(said.text), quote=False)
    return (
        f"\n{number}\n{_clock(cue.start_s, '.')} --> {_clock(cue.end_s, '.')}"
        f" line:{y:.0%} position:{x:.0%} align:center\n"
        f"{_classed(cue.emotion, text)}\n"
    )


def _srt_header(stream: str, size_wh: tuple[int, int]) -> str:
    return ""


def _srt_cue(number: int, said: CueText, size_wh: tuple[int, int]) -> str:
    cue = said.cue
    return (
        ("\n" if number > 1 else "")
        + f"{number}\n{_clock(cue.start_s, ',')} --> {_clock(cue.end_s, ',')}\n"
        f'<font color="{_hex(cue.emotion)}">{_without_tags(said.text)}</font>\n'
    )


def _ass_header(stream: str, size_wh: tuple[int, int]) -> str:
    width, height = size_wh
    size = max(10, round(height * _LINE_SHARE * 0.8))
    styles = "".join(
        f"Style: {label},Arial,{size},{ass_colour(label)},&H000000FF,&H00101010,&H80000000,"
        f"-1,0,0,0,100,100,0,0,1,{max(1, size // 10)},0,8,10,10,10,1\n"
        for label in LABELS
    )
    return (
        "[Script Info]\n"
        f"Title: {one_line(stream)}\n"
        "ScriptType: v4.00+\nWrapStyle: 0\nScaledBorderAndShadow: yes\n"
        f"PlayResX: {width}\nPlayResY: {height}\n\n"
        "[V4+ Styles]\n"
        "Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, "
        "BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
        "BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n"
        f"{styles}\n"
        "[Events]\n"
        "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )


def _ass_cue(number: int, said: CueText, size_wh: tuple[int, int]) -> str:
    cue, (width, height) = said.cue, size_wh
    x, y = _place(cue, size_wh)
    speaker = one_line(said.speaker).replace(",", " ")
    style = cue.emotion if cue.emotion in LABELS else "neutral"
    return (
        f"Dialogue: 0,{_ass_clock(cue.start_s)},{_ass_clock(cue.end_s)},{style},{speaker},0,0,0,,"
        f"{{\\pos({x * width:.0f},{y * height:.0f})}}{ass_text(said.text)}\n"
    )


TEXT_FORMATS: Mapping[str, TextFormat] = {
    ".vtt": TextFormat(_vtt_header, _vtt_cue),
    ".srt": TextFormat(_srt_header, _srt_cue),
    ".ass": TextFormat(_ass_header, _ass_cue),
}
"""By the suffix of the file."""


def ass_text(text: str) -> str:
    """A text as ASS has it, in one line.

    Braces begin commands and backslashes escapes; neither can be written literally everywhere.
    """
    return one_line(text).translate(str.maketrans("{}\\", "()/"))


def _place(cue: Cue, size_wh: tuple[int, int]) -> tuple[float, float]:
    """Middle and top of a cue's text as fractions of the picture: under the face, yet inside."""
    width, height = size_wh
    left, _, right, bottom = cue.box_xyxy
    x = min(max((left + right) / 2 / width, 0.1), 0.9)
    y = min(max(bottom / height + 0.01, 0.0), 1 - _LINE_SHARE - 0.02)
    return x, y


def _clock(seconds: float, point: str) -> str:
    """`00:01:02.345`."""
    ms = round(seconds * 1000)
    minutes, ms = divmod(ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{ms // 1000:02d}{point}{ms % 1000:03d}"


def _ass_clock(seconds: float) -> str:
    """`0:01:02.34`."""
    cs = round(seconds * 100)
    minutes, cs = divmod(cs, 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{cs // 100:02d}.{cs % 100:02d}"


def _classed(emotion: str, text: str) -> str:
    return f"<c.{emotion}.{_VTT_COLOURS[emotion]}>{text}</c>" if emotion in LABELS else text


def _without_tags(text: str) -> str:
    """SubRip has no way to write what begins tags, nor the commands that players take from ASS."""
    return one_line(text).translate(str.maketrans("<>{}\\", "‹›()/"))


def _hex(emotion: str) -> str:
    red, green, blue = COLOURS_RGB.get(emotion, _WHITE)
    return f"#{red:02x}{green:02x}{blue:02x}"


def ass_colour(emotion: str) -> str:
    """A label's colour as ASS writes it: `&HAABBGGRR`."""
    red, green, blue = COLOURS_RGB.get(emotion, _WHITE)
    return f"&H00{blue:02X}{green:02X}{red:02X}"
