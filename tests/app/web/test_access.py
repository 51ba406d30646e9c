from __future__ import annotations

import pytest

from streamfer.app.web.access import COOKIE, Access, is_loopback, new_token

LOCAL = Access("127.0.0.1", 8080)
REMOTE = Access("0.0.0.0", 8080, token="secret-token")


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080"])
def test_this_machine_needs_nothing(host: str) -> None:
    assert LOCAL.refused({"host": host}, None) is None
    assert LOCAL.refused({"host": host, "origin": f"http://{host}"}, None) is None


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:8080",
        "127.0.0.1:81",
        "127.0.0.1",
        "",
        "localhost.evil.example:8080",
        "10.0.0.7:8080",
    ],
)
def test_a_name_that_somebody_pointed_here_is_refused(host: str) -> None:
    refused = LOCAL.refused({"host": host}, None)
    assert refused is not None
    assert refused.status == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "null",
        "https://127.0.0.1:8080",
        "http://127.0.0.1:81",
        "http://localhost:8080",
    ],
)
def test_pages_of_other_sites_are_refused(origin: str) -> None:
    refused = LOCAL.refused({"host": "127.0.0.1:8080", "origin": origin}, None)
    assert refused is not None
    assert refused.status == 403


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, "secret-token"),
        ({"cookie": f"other=1; {COOKIE}=secret-token"}, None),
        ({"authorization": "Bearer secret-token"}, None),
    ],
)
def test_other_machines_bring_the_token(headers: dict[str, str], query: str | None) -> None:
    assert REMOTE.refused({"host": "10.0.0.7:8080", **headers}, query) is None


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, None),
        ({}, ""),
        ({}, "secret-toke"),
        ({}, "sécret"),
        ({"cookie": f"{COOKIE}=wrong"}, None),
        ({"cookie": "=;;\x01"}, None),
        ({"authorization": "Bearer wrong"}, None),
    ],
)
def test_without_the_token_nothing_is_answered(headers: dict[str, str], query: str | None) -> None:
    refused = REMOTE.refused({"host": "10.0.0.7:8080", **headers}, query)
    assert refused is not None
    assert refused.status == 401
    assert "secret" not in refused.reason


def test_a_name_is_refused_even_with_the_token() -> None:
    refused = REMOTE.refused({"host": "evil.example:8080"}, "secret-token")
    assert refused is not None
    assert refused.status == 403


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    cookie = Access("0.0.0.0", 443, secure=True, token="t").cookie()
    assert {"HttpOnly", "SameSite=Strict", "Secure"} <= set(cookie.split("; "))
    assert "Secure" not in REMOTE.cookie()


def test_addresses() -> None:
    assert LOCAL.url == "http://127.0.0.1:8080/"
    assert Access("::1", 8080).url == "http://[::1]:8080/"
    assert Access("10.0.0.7", 8443, secure=True, token="t").url == "https://10.0.0.7:8443/?token=t"
    assert "secret-token" not in repr(REMOTE)
    assert len(new_token()) >= 32
    assert [is_loopback(h) for h in ("localhost", "127.0.0.9", "::1", "0.0.0.0", "cam", "::")] == [
        *(True, True, True),
        *(False, False, False),
    ]
