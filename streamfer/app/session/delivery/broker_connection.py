"""A connection to an MQTT broker that is kept up, without a thread that wakes for every message."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import MQTTErrorCode

_PAUSE_S = (1.0, 30.0)
"""Between two tries to connect: at first, and at most."""
_TURN_S = 1.0
"""Between two looks at what is due in time: pings, and their answers."""


class BrokerConnection:
    """Drives a paho client: connects, reads, sends what could not be sent at once, tries again.

    Who publishes sends the message, too, as far as the network takes it. paho's own loop wakes its
    thread for each one instead, which then competes with the analyzer for the interpreter.

    Args:
        client: to be driven by nobody else.
        host: of the broker.
        port: of the broker.
        fail: told that it cannot be reached; by the connection's thread.
    """

    def __init__(self, client: Client, host: str, port: int, fail: Callable[[], None]) -> None:
        self._client = client
        self._host, self._port = host, port
        self._fail = fail
        self.lock = threading.RLock()
        """Held while the client reads or writes."""
        self._closing = threading.Event()
        self._woken, self._waking = socket.socketpair()
        for end in (self._woken, self._waking):
            end.setblocking(False)
        self._thread = threading.Thread(target=self._run, name="mqtt")

    def start(self) -> None:
        """Begins to connect."""
        self._thread.start()

    @property
    def is_free(self) -> bool:
        """Whether there is a broker that has taken all that was sent so far."""
        return self._client.is_connected() and not self._client.want_write()

    def publish(
        self, topic: str, content: str | bytes, *, qos: int, retain: bool
    ) -> MQTTMessageInfo:
        """Sends or queues a message; see paho's `Client.publish`. Never waits for the network."""
        with self.lock:
            info = self._client.publish(topic, content, qos=qos, retain=retain)
            unsent = self._client.want_write()
        if unsent:
            self._wake()
        return info

    def send_unacknowledged(self, topic: str, content: bytes) -> None:
        """Sends a message of which nobody wants to know whether it has arrived."""
        with self.lock:
            told, self._client.on_publish = self._client.on_publish, None  # costs a third more
            try:
                self.publish(topic, content, qos=0, retain=False)
            finally:
                self._client.on_publish = told

    def close(self) -> None:
        """Says goodbye and ends the thread."""
        with self.lock:
            self._client.disconnect()
        self._closing.set()
        self._wake()
        self._thread.join()
        self._woken.close()
        self._waking.close()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it is awake already
            self._waking.send(b".")

    def _run(self) -> None:
        shortest_s, longest_s = _PAUSE_S
        pause_s = shortest_s
        while not self._closing.is_set():
            try:  # without the lock: nobody who publishes waits for it
                self._client.connect(self._host, self._port)
            except (OSError, ValueError):  # the latter for a name that no host can have
                self._fail()
            if self._serve():
                pause_s = shortest_s
            self._closing.wait(pause_s)
            pause_s = min(2 * pause_s, longest_s)
        with self.lock:  # it may just have been reached
            self._client.disconnect()

    def _serve(self) -> bool:
        """Reads and writes until the connection ends; whether the broker has accepted it."""
        accepted = False
        while (connection := self._client.socket()) is not None and not self._closing.is_set():
            try:
                readable = self._wait(connection)
            except (OSError, ValueError):  # it was closed by who published
                break
            with self.lock:
                rc = self._client.loop_read() if readable else MQTTErrorCode.MQTT_ERR_SUCCESS
                rc = rc or self._client.loop_write() or self._client.loop_misc()
            accepted = accepted or self._client.is_connected()
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        return accepted

    def _wait(self, connection: Any) -> bool:
        """Waits until there is something to do; whether it is something to read."""
        if isinstance(connection, ssl.SSLSocket) and connection.pending():
            return True
        wanted = selectors.EVENT_READ
        if self._client.want_write():
            wanted |= selectors.EVENT_WRITE
        with selectors.DefaultSelector() as selector:  # `select` takes descriptors below 1024 only
            selector.register(connection, wanted)
            selector.register(self._woken, selectors.EVENT_READ)
            ready = {key.fileobj: events for key, events in selector.select(_TURN_S)}
        if self._woken in ready:
            self._woken.recv(4096)
        return bool(ready.get(connection, 0) & selectors.EVENT_READ)
