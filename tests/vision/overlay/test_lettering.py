from __future__ import annotations

import numpy as np
import pytest

from streamfer.vision.overlay import drawing
from streamfer.vision.overlay.lettering import Lettering, font

LATIN = Lettering(())
DEJAVU = "DejaVuSans.ttf"


def with_dejavu() -> Lettering:
    try:
        font(32, DEJAVU)
    except OSError:
        pytest.skip("DejaVu Sans is not installed here")
    return Lettering(("no-such-font.ttf", DEJAVU))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("talk-2", "talk-2"),
        ("Zoë…", "Zoe…"),
        ("Zoe\u0308", "Zoe"),
        ("a\nb\x00", "a?b?"),
        ("中文-1", "ZhongWen-1"),
        ("話す", "Huasu"),
        ("한국어", "HanGugEo"),
        ("مرحبا", "mrhb"),
        ("🙂", ":slight_smile:"),
        ("✌\ufe0f", ":v:"),
        ("\ue000", "?"),
    ],
)
def test_where_no_font_has_them_characters_become_latin_ones(text: str, shown: str) -> None:
    assert LATIN.drawable(text) == shown


def test_a_font_of_the_system_draws_what_the_own_one_lacks() -> None:
    lettering = with_dejavu()
    assert lettering.drawable("Привет, مرحبا, 中") == "Привет, مرحبا, Zhong"
    runs = lettering.runs("cam Привет 2", 20)
    assert [piece for piece, _ in runs] == ["cam ", "Привет", " 2"]
    own, other, again = (font for _, font in runs)
    assert own is again is not other


def test_pieces_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing, "_LETTERING", with_dejavu())
    drawing.text_width.cache_clear()
    whole = drawing.text_coverage("cam Привет", 30, 40)
    assert whole.shape[1] == drawing.text_width("cam Привет", 30)
    first = drawing.text_width("cam ", 30) - 1
    assert np.allclose(whole[:, : first - 2], drawing.text_coverage("cam ", 30, 40)[:, : first - 2])
    assert whole[:, first:].max() > 0.9
    assert whole[:, -3:].max() < 0.9
    drawing.text_width.cache_clear()
