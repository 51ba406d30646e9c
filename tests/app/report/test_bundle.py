"""What a report's page is put together from."""

from __future__ import annotations

from streamfer.app.report.bundle import as_script, page, script


def test_script_is_classic_and_data_cannot_end_it() -> None:
    text = script()
    assert "\nimport " not in text
    assert "\nexport " not in text
    assert "</script>" not in as_script({"stream": "</script>"})


def test_what_is_put_into_the_page_is_not_looked_at_again() -> None:
    text = page("a {scripts} b {style}", ["const DATA = '{title}';"])
    assert "<title>a {scripts} b {style} · " in text
    assert text.count("const DATA = '{title}';") == 1
