from __future__ import annotations

import socket
from pathlib import Path

import pytest

from streamfer.app.web import connections, server
from tests.support.certificate import make_certificate
from tests.support.web import site


def hung_up(connection: socket.socket) -> bool:
    """Waits until the other side ends a connection."""
    connection.settimeout(20)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_connections_that_ask_for_nothing_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT_S", 0.05)
    with site() as there, there.live() as page:
        with socket.create_connection(("127.0.0.1", there.port)) as silent:
            silent.sendall(b"GET / HTTP/1.1\r\n")
            assert hung_up(silent)
        page.recv(timeout=60)
        page.ping().wait(60)


def test_so_are_those_whose_second_request_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT_S", 0.5)
    with site() as there, socket.create_connection(("127.0.0.1", there.port)) as half:
        half.sendall(f"GET /static/none HTTP/1.1\r\nHost: {there.address}\r\n\r\n".encode())
        said = b""
        while not said.endswith(b'"}'):
            said += half.recv(4096)
        half.sendall(b"GET / HTTP/1.1\r\nHo")
        assert hung_up(half)


def test_a_tls_handshake_that_does_not_come_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_HANDSHAKE_TIMEOUT_S", 0.05)
    with (
        site(certificate=make_certificate(tmp_path)) as there,
        socket.create_connection(("127.0.0.1", there.port)) as silent,
    ):
        assert hung_up(silent)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_page_that_has_gone_is_not_hung_up_on(
    tls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "_REQUEST_TIMEOUT_S", 0.5)
    certificate = make_certificate(tmp_path) if tls else (None, None)
    with site(certificate=certificate) as there:
        with there.live():
            pass
        later = there.connection()
        later.connect()
        assert hung_up(later.sock)  # the first one's time is over as well
        later.close()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 1)
    with (
        site() as there,
        socket.create_connection(("127.0.0.1", there.port)),
        socket.create_connection(("127.0.0.1", there.port)) as second,
    ):
        assert hung_up(second)
