from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from streamfer.app.web import pages
from streamfer.types import StreamEvent
from tests.support.web import Site, result, site


def until(socket: Any, wanted: Callable[[Any], bool]) -> Any:
    """The first message that is wanted."""
    while True:
        message = socket.recv(timeout=60)
        if wanted(message):
            return message


@pytest.fixture
def local() -> Iterator[Site]:
    with site() as server:
        yield server


def test_the_page_and_its_files_come_with_headers_that_keep_it_to_itself(local: Site) -> None:
    page = local.ask("/")
    assert page.status == 200
    assert page.headers["Content-Type"].startswith("text/html")
    for name in pages._FILES:
        answer = local.ask(f"/static/{name}")
        assert answer.status == 200, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        assert "Server" not in answer.headers


def test_all_files_of_the_page_are_served_and_small() -> None:
    static = Path(pages.__file__).with_name("static")
    assert {path.name for path in static.iterdir()} == {*pages._FILES, "index.html"}
    code = [path for path in static.iterdir() if path.suffix in (".js", ".css")]
    assert sum(path.stat().st_size for path in code) <= 200_000
    index = (static / "index.html").read_text()  # asks for all at once: imports come in a row
    assert all(f'href="static/{p.name}"' in index or p.name == "page.js" for p in code)
    assert not any("http://" in p.read_text() or "https://" in p.read_text() for p in code)


@pytest.mark.parametrize(
    "said", ["no JSON", "[]", "1", '{"watch": 1}', '{"tiles": []}', "[" * 5000, "x" * 70_000]
)
def test_a_page_that_says_what_it_should_not_is_closed(local: Site, said: str) -> None:
    with local.live() as page:
        page.send(said)
        with pytest.raises(ConnectionClosed):
            until(page, lambda _: False)
    assert local.ask("/").status == 200


def test_so_many_pages_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_MOST_CLIENTS", 1)
    with site() as there, there.live() as first:
        first.recv(timeout=60)
        with there.live() as second, pytest.raises(ConnectionClosed) as closed:
            second.recv(timeout=60)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013


def test_the_end_of_the_run_ends_what_has_no_end_of_its_own() -> None:
    with ExitStack() as open_ones:
        with site() as there:
            page = open_ones.enter_context(there.live())
            page.recv(timeout=60)
            events = open_ones.enter_context(there.follow("/events"))
            pictures = open_ones.enter_context(there.follow("/mjpeg/cam"))
        with pytest.raises(ConnectionClosed):
            until(page, lambda _: False)
        assert events.read().startswith(b": events")
        assert pictures.read() == b""
    there.frames.write(result())  # the run may not have ended yet
    there.frames.event(StreamEvent("cam", "error", 1.0))
