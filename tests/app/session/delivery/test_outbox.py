"""What is on its way to a broker, and what becomes of what is refused."""

from __future__ import annotations

import select
import socket

import pytest

from streamfer.app.session.delivery.outbox import Outbox
from tests.support.broker_socket import connected, receive


def received(broker: socket.socket) -> tuple[bytes, bytes]:
    """Topic (a letter) and text (three) of a message with QoS 1, which is acknowledged."""
    message = receive(broker, 10)
    broker.sendall(b"\x40\x02" + message[5:7])
    return message[4:5], message[7:]


def test_a_text_that_was_refused_is_said_to_be_and_sent_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with connected(most_queued=2) as (connection, client, broker):
        outbox = Outbox(client, connection, most_events=10)
        for topic, text in (("a", "one"), ("b", "two"), ("c", "six")):
            outbox.keep(topic, text)
        assert [r.message for r in caplog.records] == ["c: cannot be queued; trying again"]
        found = [received(broker) for _ in range(3)]
        assert found == [(b"a", b"one"), (b"b", b"two"), (b"c", b"six")]


def test_of_a_retained_topic_one_text_is_under_way_and_the_newest_follows() -> None:
    with connected() as (connection, client, broker):
        outbox = Outbox(client, connection, most_events=10)
        for text in ("one", "two", "six", "ten"):
            outbox.keep("a", text)
        assert [received(broker) for _ in range(2)] == [(b"a", b"one"), (b"a", b"ten")]
        outbox.wait_until_empty(60)
        outbox.keep_again()
        assert received(broker) == (b"a", b"ten")


def test_so_many_events_wait_and_no_more() -> None:
    with connected() as (connection, client, broker):
        outbox = Outbox(client, connection, most_events=2)
        assert [outbox.send_event("a", text) for text in ("one", "two", "six")] == [1, 1, 0]
        assert outbox.events == 2
        assert [received(broker) for _ in range(2)] == [(b"a", b"one"), (b"a", b"two")]
        outbox.wait_until_empty(60)
        assert outbox.send_event("a", "ten")


def test_a_result_whose_end_leaves_with_a_kept_text_disturbs_nothing() -> None:
    content = bytes(1000)
    message = b"\x30\xeb\x07\x00\x01r" + content
    with connected() as (connection, client, broker):
        outbox = Outbox(client, connection, most_events=10)
        with connection.lock:  # so that nobody else sends the end of the last result
            count = 0
            while not client.want_write():
                connection.send_unacknowledged("r", content)
                count += 1
            assert receive(broker, (count - 1) * len(message)) == (count - 1) * message
            select.select([], [client.socket()], [])
            outbox.keep("a", "one")
            assert not client.want_write()
        assert receive(broker, len(message)) == message
        assert received(broker) == (b"a", b"one")
        outbox.wait_until_empty(60)
        outbox.keep("a", "two")
        assert received(broker) == (b"a", b"two")
