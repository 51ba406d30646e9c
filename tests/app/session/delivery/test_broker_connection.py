"""A connection to a broker whose messages are sent by who publishes them."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streamfer.app.session.delivery.broker_connection import BrokerConnection
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


@contextmanager
def many_descriptors() -> Iterator[None]:
    """Those below 1024 are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 2048:
        pytest.skip(f"at most {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    taken = [os.open(os.devnull, os.O_RDONLY)]
    try:
        while taken[-1] < 1024:
            taken.append(os.dup(taken[0]))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_run_with_many_files_connects_too() -> None:
    with many_descriptors(), connected() as (connection, _, broker):
        connection.publish("a", b"content", qos=0, retain=False)
        assert receive(broker, 12) == b"\x30\x0a\x00\x01acontent"


@pytest.mark.parametrize("host", ["broker..local", "a" * 64 + ".local"])
def test_a_name_that_no_host_can_have_is_like_one_that_cannot_be_reached(host: str) -> None:
    failed = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2)
    connection = BrokerConnection(client, host, 1883, failed.set)
    connection.start()
    try:
        assert failed.wait(60)
        assert connection._thread.is_alive()
    finally:
        connection.close()
