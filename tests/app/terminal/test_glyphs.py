from __future__ import annotations

import io

import pytest
from rich.console import Console

from streamfer.app.terminal.glyphs import (
    expression_bars,
    format_duration,
    glyphs_for,
    progress_bar,
    share_bar,
)
from tests.support.snapshots import probs

UNICODE = glyphs_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")))
ASCII = glyphs_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="ascii")))


@pytest.mark.parametrize(
    ("fraction", "bar"), [(0, "    "), (0.5, "██  "), (0.53125, "██▏ "), (1, "████"), (2, "████")]
)
def test_bar(fraction: float, bar: str) -> None:
    assert UNICODE.bar(fraction, 4) == bar


def test_poor_terminals_get_plain_characters() -> None:
    assert ASCII.bar(0.5, 4) == "##  "
    assert expression_bars(probs("happy"), 40, ASCII).plain.isascii()
    assert progress_bar(0.3, 10, ASCII).plain == "###......."
    assert share_bar(probs("happy", 1.0), 4, ASCII).plain == "hhhh"
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert glyphs_for(dumb) is ASCII


@pytest.mark.parametrize("width", [34, 41, 60, 90, 200])
def test_expression_bars_fit_and_grow_with_the_room(width: int) -> None:
    text = expression_bars(probs("sad"), width, UNICODE)
    assert len(text) <= width
    assert [word[:3] for word in text.plain.split() if word[0].isalpha()] == [
        "ang",
        "dis",
        "fea",
        "hap",
        "sad",
        "sur",
        "neu",
    ]


def test_the_shares_fill_the_bar_exactly() -> None:
    text = share_bar(probs("fear", 0.4), 20, UNICODE)
    assert len(text) == 20
    widest = max(text.spans, key=lambda span: span.end - span.start)
    assert widest.style == "rgb(204,121,167)"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.9, "0:59"), (75, "1:15"), (3723, "1:02:03"), (-1, "0:00")],
)
def test_durations(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
