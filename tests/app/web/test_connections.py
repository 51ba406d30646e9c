from __future__ import annotations

import socket

import pytest

from streamfer.app.web import connections
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
        page.recv(timeout=20)
        page.ping().wait(20)


def test_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_MOST", 1)
    with (
        site() as there,
        socket.create_connection(("127.0.0.1", there.port)),
        socket.create_connection(("127.0.0.1", there.port)) as second,
    ):
        assert hung_up(second)
