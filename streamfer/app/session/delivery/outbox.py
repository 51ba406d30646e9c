"""What is on its way to an MQTT broker: events, and the newest text of every retained topic."""

from __future__ import annotations

import logging
import threading
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from streamfer.app.session.delivery.broker_connection import BrokerConnection

log = logging.getLogger(__name__)


class Outbox:
    """Publishes, and knows what the broker has not acknowledged yet.

    Events wait for a broker that is away, so many at most. Retained topics are bounded by
    themselves: of each, one text at most is under way, and the newest follows it. So no number of
    events can keep a status from the broker.

    Args:
        client: of the connection; its queue is to have no bound of its own.
        connection: sends, under its lock.
        most_events: events that wait at most.
    """

    def __init__(self, client: Client, connection: BrokerConnection, most_events: int) -> None:
        self._client = client
        self._connection = connection
        self._most_events = most_events
        # The connection's own lock: an acknowledgement is read after its message was noted.
        self._changed = threading.Condition(connection.lock)
        self._events: set[int] = set()
        self._under_way: dict[int, str] = {}
        """Retained topics by the number of the message that is under way."""
        self._kept: dict[str, str] = {}
        """Of every retained topic the newest text."""
        self._due: dict[str, None] = {}
        """Retained topics whose newest text has not been sent yet, in order."""
        client.on_publish = self._acknowledged

    @property
    def events(self) -> int:
        """How many events wait."""
        with self._changed:
            return len(self._events)

    def send_event(self, topic: str, text: str) -> bool:
        """Sends an event, or queues it until the broker is there; False where it is lost."""
        with self._changed:
            if len(self._events) >= self._most_events:
                return False
            number = self._publish(topic, text, retain=False)
            if number is not None:
                self._events.add(number)
            return number is not None

    def keep(self, topic: str, text: str) -> None:
        """Has the broker keep a text, as soon as it is there."""
        with self._changed:
            self._kept[topic] = text
            self._due[topic] = None
            self._send_due()

    def keep_again(self) -> None:
        """Tells a broker that may have lost its memory, or heard the last will, everything."""
        with self._changed:
            self._due = dict.fromkeys(self._kept)
            self._send_due()

    def wait_until_empty(self, timeout_s: float) -> None:
        """Waits until nothing waits any more, for so long at most."""
        with self._changed:
            self._changed.wait_for(self._is_empty, timeout_s)

    def _is_empty(self) -> bool:
        return not (self._events or self._under_way or self._due)

    def _send_due(self) -> None:
        if not self._due or not self._client.is_connected():
            return
        under_way = set(self._under_way.values())
        for topic in [topic for topic in self._due if topic not in under_way]:
            del self._due[topic]  # first: while it is sent, other messages' ends are told
            number = self._publish(topic, self._kept[topic], retain=True)
            if number is None:
                self._due[topic] = None
                log.warning("%s: cannot be queued; trying again", topic)
                return  # until the next acknowledgement, which makes room
            self._under_way[number] = topic

    def _publish(self, topic: str, text: str, *, retain: bool) -> int | None:
        """The number of the message that is under way now; None where it was refused."""
        info = self._connection.publish(topic, text, qos=1, retain=retain)
        return None if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE else info.mid

    def _acknowledged(self, _: Client, __: Any, number: int, ___: Any, ____: Any) -> None:
        with self._changed:
            # The end of a result is told, too, by whoever sends it: in the midst of a message.
            if number not in self._events and number not in self._under_way:
                return
            self._events.discard(number)
            self._under_way.pop(number, None)
            self._send_due()
            self._changed.notify_all()
