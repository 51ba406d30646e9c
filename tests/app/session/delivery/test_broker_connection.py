"""A connection to a broker whose messages are sent by who publishes them."""

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
def connected() -> Iterator[tuple[BrokerConnection, Client, socket.socket]]:
    """A connection, its client, and the broker's end, by which the client was accepted."""
    accepted = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
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


def test_what_the_network_takes_is_sent_at_once() -> None:
    with connected() as (connection, client, broker):
        connection.publish("a", b"content", qos=0, retain=False)
        assert not client.want_write()
        assert receive(broker, 12) == b"\x30\x0a\x00\x01acontent"


def test_a_broker_that_reads_nothing_holds_nobody_and_gets_all_of_it_later() -> None:
    content, count = bytes(100_000), 200  # more than the network keeps for it
    with connected() as (connection, client, broker):
        for _ in range(count):
            connection.publish("a", content, qos=0, retain=False)
        assert client.want_write()
        message = b"\x30\xa3\x8d\x06\x00\x01a" + content
        for _ in range(count):
            assert receive(broker, len(message)) == message


def test_it_ends_although_the_broker_reads_nothing() -> None:
    with connected() as (connection, client, _):
        for _ in range(200):
            connection.publish("a", bytes(100_000), qos=0, retain=False)
        assert client.want_write()
    assert not connection._thread.is_alive()
