from __future__ import annotations

import pytest

from streamfer.app.terminal.page_line import say_page
from streamfer.app.web.access import Access


@pytest.mark.parametrize("host", ["fd00::5", "2001:db8::1", "::1", "10.0.0.5"])
def test_the_address_is_printed_as_it_is(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    url = Access(host, 8080, token="t" * 200).url
    say_page(url)
    assert capsys.readouterr().out == f"live page: {url}\n"
