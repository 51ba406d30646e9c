"""The small signs of the terminal views: bars, state marks, durations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.text import Text

from streamfer.labels import COLOURS_RGB, LABELS
from streamfer.types import FloatArray, StreamState

STATE_STYLES: dict[StreamState, str] = {
    "waiting": "dim",
    "connecting": "yellow",
    "live": "green",
    "running": "green",
    "stalled": "yellow",
    "reconnecting": "yellow",
    "failed": "bold red",
    "interrupted": "yellow",
    "done": "cyan",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters that a terminal can show."""

    eighths: str
    """Growing bars, nothing first and a full cell last, from left to right."""
    levels: str
    """Growing columns, the least first."""
    track: str
    """The empty part of a progress bar."""
    marks: dict[StreamState, str]
    times: str
    """Between width and height."""
    dash: str
    separator: str
    ellipsis: str

    def bar(self, fraction: float, width: int) -> str:
        """A horizontal bar, padded with spaces to `width` characters."""
        steps = len(self.eighths) - 1
        filled = round(min(max(fraction, 0.0), 1.0) * width * steps)
        whole, rest = divmod(filled, steps)
        text = self.eighths[-1] * whole + (self.eighths[rest] if rest else "")
        return text.ljust(width)

    def level(self, fraction: float) -> str:
        """A one-character column."""
        top = len(self.levels) - 1
        return self.levels[round(min(max(fraction, 0.0), 1.0) * top)]


_UNICODE = Glyphs(
    eighths=" ▏▎▍▌▋▊▉█",
    levels="▁▂▃▄▅▆▇█",
    track="─",
    marks={
        "waiting": "○",
        "connecting": "◌",
        "live": "●",
        "running": "●",
        "stalled": "◐",
        "reconnecting": "◌",
        "failed": "✗",
        "interrupted": "◌",
        "done": "✓",
    },
    times="×",
    dash="–",
    separator=" · ",
    ellipsis="…",
)
_ASCII = Glyphs(
    eighths=" #",
    levels=".:-=+*%#",
    track=".",
    marks={
        "waiting": ".",
        "connecting": "~",
        "live": "*",
        "running": "*",
        "stalled": "!",
        "reconnecting": "~",
        "failed": "x",
        "interrupted": "~",
        "done": "=",
    },
    times="x",
    dash="-",
    separator=" | ",
    ellipsis="...",
)


def glyphs_for(console: Console) -> Glyphs:
    """What the terminal and its encoding allow."""
    poor = console.options.ascii_only or console.legacy_windows or console.is_dumb_terminal
    return _ASCII if poor else _UNICODE


def label_style(label: str) -> str:
    """The label's colour as a rich style."""
    red, green, blue = COLOURS_RGB[label]
    return f"rgb({red},{green},{blue})"


def expression_bars(probs: FloatArray, width: int, glyphs: Glyphs) -> Text:
    """The seven probabilities in one line, labelled with three letters each.

    Args:
        probs: (7,) in [0, 1].
        width: characters at most; with enough of them the bars lie, else they stand.
        glyphs: the characters to use.
    """
    cell = (width + 1) // len(LABELS)
    lying = cell - 5  # three letters, a space before the bar and one after it
    answer = int(np.argmax(probs))
    text = Text(no_wrap=True)
    for index, (label, prob) in enumerate(zip(LABELS, probs, strict=True)):
        text.append(label[:3], "bold" if index == answer else "dim")
        if lying >= 3:
            text.append(" " + glyphs.bar(float(prob), min(lying, 12)), label_style(label))
        else:
            text.append(glyphs.level(float(prob)), label_style(label))
        text.append(" ")
    text.rstrip()
    return text


def progress_bar(fraction: float, width: int, glyphs: Glyphs) -> Text:
    """A progress bar of `width` characters."""
    done = glyphs.bar(fraction, width).rstrip()
    return Text(done, "cyan", no_wrap=True).append(glyphs.track * (width - len(done)), "dim")


def share_bar(share: FloatArray, width: int, glyphs: Glyphs) -> Text:
    """One bar of `width` characters, divided among the labels by their shares.

    Args:
        share: (7,) fractions that sum to 1.
        width: characters.
        glyphs: the characters to use.
    """
    ends = np.rint(np.cumsum(share) / max(float(share.sum()), 1e-9) * width).astype(int)
    text = Text(no_wrap=True)
    start = 0
    for label, end in zip(LABELS, ends, strict=True):
        # Letters where blocks would all look alike.
        block = glyphs.eighths[-1] if glyphs is _UNICODE else label[0]
        text.append(block * (end - start), label_style(label))
        start = end
    return text


def format_duration(seconds: float) -> str:
    """`m:ss`, or `h:mm:ss` from an hour on."""
    minutes, rest = divmod(int(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
