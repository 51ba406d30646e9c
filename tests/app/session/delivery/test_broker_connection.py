"""A connection to a broker whose messages are sent by who publishes them."""

from __future__ import annotations

from tests.support.broker_socket import connected, receive


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
