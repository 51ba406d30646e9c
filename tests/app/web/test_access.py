from __future__ import annotations

import socket

import pytest

from streamfer.app.web.access import Access, is_loopback, new_token

LOCAL = Access("127.0.0.1", 8080)
AFAR = Access("0.0.0.0", 8080, token="secret")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_addresses_of_this_machine_only(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "camera.local", ""])
def test_addresses_that_others_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"]
)
def test_local_names_are_answered(host: str) -> None:
    assert LOCAL.refused({"host": host}, None) is None


@pytest.mark.parametrize(
    "host",
    ["evil.example:8080", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8080.evil.example", "", ":8080",
     "localhost:8080:8080", "192.168.1.5:8080"],
)  # fmt: skip
def test_other_names_are_not(host: str) -> None:
    refused = LOCAL.refused({"host": host}, None)
    assert refused is not None
    assert refused.status == 403


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8080", True),
        ("https://127.0.0.1:8080", False),
        ("http://127.0.0.1:9090", False),
        ("http://localhost:8080", False),
        ("https://evil.example", False),
        ("null", False),
    ],
)
def test_pages_of_other_sites_are_refused(origin: str, allowed: bool) -> None:
    refused = LOCAL.refused({"host": "127.0.0.1:8080", "origin": origin}, None)
    assert (refused is None) == allowed


@pytest.mark.parametrize(
    ("site", "mode", "dest", "allowed"),
    [
        ("same-origin", "no-cors", "image", True),
        ("none", "navigate", "document", True),
        ("cross-site", "navigate", "document", True),
        ("cross-site", "navigate", "iframe", False),
        ("cross-site", "no-cors", "image", False),
        ("same-site", "no-cors", "image", False),
        ("cross-site", "websocket", "websocket", False),
    ],
)
def test_other_sites_may_link_but_not_embed(site: str, mode: str, dest: str, allowed: bool) -> None:
    headers = {"host": "localhost:8080", "sec-fetch-site": site, "sec-fetch-mode": mode}
    refused = LOCAL.refused({**headers, "sec-fetch-dest": dest}, None)
    assert (refused is None) == allowed


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, "secret"),
        ({"authorization": "Bearer secret"}, None),
        ({"cookie": "other=1; streamfer-8080=secret"}, "wrong"),
    ],
)
def test_a_token_may_come_in_three_ways(headers: dict[str, str], query: str | None) -> None:
    assert AFAR.refused({"host": "192.168.1.5:8080", **headers}, query) is None


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, None),
        ({}, "wrong"),
        ({}, "sécret"),
        ({"authorization": "Basic secret"}, ""),
        ({"cookie": "streamfer-9090=secret"}, None),
        ({"cookie": "streamfer-8080="}, None),
        ({"cookie": '"broken'}, None),
    ],
)
def test_without_the_token_nobody_gets_in(headers: dict[str, str], query: str | None) -> None:
    refused = AFAR.refused({"host": "192.168.1.5:8080", **headers}, query)
    assert refused is not None
    assert refused.status == 401
    assert "secret" not in refused.reason


@pytest.mark.parametrize(
    "others",
    [
        "x=1; {}",
        'prefs={{"a":1}}; {}',
        '{}; prefs={{"a":1}}',
        "theme=dark mode; {}",
        "a[]=1; {}",
        "flag; {}",
        "n=Jörg;{}",
        '"broken; {}',
        "streamfer-8080=of-yesterday; {}",
        "{}; streamfer-8080=of-yesterday; streamfer-8081=x",
    ],
)
def test_cookies_of_other_programs_lock_nobody_out(others: str) -> None:
    cookie = others.format("streamfer-8080=secret")
    assert AFAR.refused({"host": "192.168.1.5:8080", "cookie": cookie}, None) is None


def test_the_machine_answers_to_its_name_and_addresses_but_to_no_other() -> None:
    token = "secret"
    own = socket.gethostname()
    for host in (own, f"{own.partition('.')[0]}.local", "10.0.0.3", "[fe80::1]"):
        assert AFAR.refused({"host": f"{host}:8080"}, token) is None
    refused = AFAR.refused({"host": "rebound.evil.example:8080"}, token)
    assert refused is not None
    assert refused.status == 403


def test_on_the_usual_port_a_name_comes_without_it() -> None:
    assert Access("127.0.0.1", 80).refused({"host": "localhost"}, None) is None
    assert Access("127.0.0.1", 443, secure=True).refused({"host": "[::1]"}, None) is None


def test_where_it_is() -> None:
    assert LOCAL.url == "http://127.0.0.1:8080/"
    assert Access("::1", 443, secure=True).url == "https://[::1]:443/"
    assert AFAR.url == f"http://{socket.gethostname()}:8080/?token=secret"


def test_a_cookie_that_no_script_and_no_other_site_sees() -> None:
    assert AFAR.cookie() == "streamfer-8080=secret; Path=/; HttpOnly; SameSite=Strict"
    assert Access("0.0.0.0", 1, True, "s").cookie().endswith("; Secure")


def test_tokens_are_long_and_kept_out_of_reprs() -> None:
    assert len({new_token() for _ in range(10)}) == 10
    assert len(new_token()) >= 32
    assert "secret" not in repr(AFAR)
