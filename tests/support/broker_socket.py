"""The broker's end of a connection, read and written by the test."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streamfer.app.session.delivery.broker_connection import BrokerConnection

_ACCEPTED = b"\x20\x02\x00\x00"
"""CONNACK of MQTT 3.1.1."""


@contextmanager
def connected(
    most_queued: int = 0,
) -> Iterator[tuple[BrokerConnection, Client, socket.socket]]:
    """A connection, its client, and the broker's end, by which the client was accepted."""
    accepted = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    client.max_queued_messages_set(most_queued)
    client.on_connect = lambda *_: accepted.set()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connection = BrokerConnection(client, "127.0.0.1", port, lambda: pytest.fail("unreachable"))
        connection.start()
        broker, _ = server.accept()
        with closing(broker):
            assert broker.recv(100)[0] == 0x10  # CONNECT
            broker.sendall(_ACCEPTED)
            assert accepted.wait(60)
            try:
                yield connection, client, broker
            finally:
                connection.close()


def receive(broker: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        content += broker.recv(size - len(content))
    return content
