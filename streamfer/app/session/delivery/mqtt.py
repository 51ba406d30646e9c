"""`--mqtt mqtt[s]://HOST/PREFIX`: results and events for a broker, and entities for Home Assistant.

Below PREFIX: `status` (`online` or `offline`, retained, the latter also as last will), and for each
stream `STREAM/result` (every frame's record, QoS 0), `STREAM/event` (QoS 1) and `STREAM/state`
(retained, where it changes).
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Self

import orjson
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streamfer.app.session.delivery.addresses import MqttAddress
from streamfer.app.session.delivery.broker_connection import BrokerConnection
from streamfer.app.session.delivery.home_assistant import ObjectIds, entities, short_hash
from streamfer.app.session.delivery.outbox import Outbox
from streamfer.pipeline.outlet import Sink
from streamfer.types import FaceResult, FrameResult, StreamEvent

log = logging.getLogger(__name__)

_State = tuple[int, str | None]
"""How many faces there are, and the expression of the largest; None where that is uncertain."""

_MOST_QUEUED = 10_000
"""Events that wait for a broker which is away; further ones are lost, and counted."""
_DRAIN_S = 5.0
"""How long the end of a run waits for the broker to acknowledge the last events."""


class Mqtt:
    """Publishes what there is of all streams; nothing waits for a broker. See `sink`.

    Args:
        address: of the broker.
        tls: how its certificate is checked, for `mqtts`.
        most_queued: events that wait for it at most.
        streams: names of those that the run begins with.
    """

    def __init__(
        self,
        address: MqttAddress,
        tls: ssl.SSLContext | None = None,
        most_queued: int = _MOST_QUEUED,
        streams: Iterable[str] = (),
    ) -> None:
        self.name = f"--mqtt {address.label}"
        self._address = address
        self._lock = threading.Lock()
        self._states: dict[str, _State] = {}
        """By stream, what was last published as its state."""
        self._ids = ObjectIds(address.prefix, streams)
        self._lost = 0
        self._complained = False
        self._client = self._make_client(tls)
        self._connection = BrokerConnection(
            self._client, address.host, address.port, lambda: self._complain("cannot be reached")
        )
        self._outbox = Outbox(self._client, self._connection, most_queued)

    def __enter__(self) -> Self:
        self._keep("status", "online")
        self._connection.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._client.is_connected():
            self._outbox.wait_until_empty(_DRAIN_S)
        if self._client.is_connected():  # a proper goodbye keeps the last will from being sent
            self._keep("status", "offline")
            self._outbox.wait_until_empty(_DRAIN_S)
        self._connection.close()
        self._lost += self._outbox.events

    @property
    def notes(self) -> tuple[str, ...]:
        """What the summary has to say, once it is closed."""
        return (f"{self.name}: {self._lost} events were not delivered",) if self._lost else ()

    def sink(self, stream: str) -> Sink:
        """Takes one stream's results and events."""
        return _StreamSink(self, stream)

    def write(self, result: FrameResult) -> None:
        """Publishes a result, unless the broker is away or still busy with what came before."""
        stream = result.frame.stream
        if self._connection.is_free:
            record = orjson.dumps(result.record)  # in a tenth of json's time, for every frame
            self._connection.send_unacknowledged(self._topic(stream, "result"), record)
        self._tell_state(stream, result.faces)

    def event(self, event: StreamEvent) -> None:
        """Publishes an event, or queues it until the broker is there."""
        text = json.dumps(event.to_dict(), ensure_ascii=False)
        if not self._outbox.send_event(self._topic(event.stream, "event"), text):
            with self._lock:
                self._lost += 1
        if event.event == "disconnected":
            self.leave(event.stream)

    def leave(self, stream: str) -> None:
        """Notes that nobody is seen any more in a stream that has ended or is lost."""
        with self._lock:
            known = stream in self._states
        if known:
            self._tell_state(stream, ())

    def _make_client(self, tls: ssl.SSLContext | None) -> Client:
        client = Client(CallbackAPIVersion.VERSION2)  # its queue is bounded by the outbox
        client.will_set(f"{self._address.prefix}/status", "offline", qos=1, retain=True)
        if self._address.credentials is not None:
            client.username_pw_set(*self._address.credentials)
        if self._address.tls:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(self, _: Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            self._complain(f"refuses the connection: {reason}")
            return
        self._complained = False
        self._outbox.keep_again()

    def _on_disconnect(self, _: Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            self._complain(f"connection lost: {reason}")

    def _complain(self, why: str) -> None:
        if not self._complained:
            self._complained = True
            log.warning("%s: %s; trying again", self.name, why)

    def _tell_state(self, stream: str, faces: tuple[FaceResult, ...]) -> None:
        """Publishes what Home Assistant shows, if that has changed."""
        main = max(faces, key=_area, default=None)
        answer = None if main is None or main.uncertain else main.emotion
        state = len(faces), answer
        with self._lock:
            before = self._states.get(stream)
            self._states[stream] = state
        if state == before:
            return
        if before is None:
            self._announce(stream)
        self._publish_state(stream, state)

    def _announce(self, stream: str) -> None:
        """Describes a stream's entities to Home Assistant."""
        place = self._topic(stream, "")
        found = entities(self._address.prefix, stream, self._ids.of(stream), place)
        for topic, entity in found.items():
            self._outbox.keep(topic, json.dumps(entity))

    def _topic(self, stream: str, kind: str) -> str:
        return f"{self._address.prefix}/{_level(stream)}/{kind}"

    def _publish_state(self, stream: str, state: _State) -> None:
        faces, emotion = state
        text = json.dumps({"faces": faces, "emotion": emotion})
        self._keep(f"{_level(stream)}/state", text)

    def _keep(self, topic: str, text: str) -> None:
        self._outbox.keep(f"{self._address.prefix}/{topic}", text)


class _StreamSink:
    """What one stream hands to all streams' `Mqtt`."""

    def __init__(self, mqtt: Mqtt, stream: str) -> None:
        self.name = mqtt.name
        self.write = mqtt.write
        self.event = mqtt.event
        self._mqtt, self._stream = mqtt, stream

    def close(self) -> None:
        """The stream has ended; others go on."""
        self._mqtt.leave(self._stream)


@lru_cache(maxsize=256)
def _level(stream: str) -> str:
    """A stream's name as one level of a topic, which no other name becomes."""
    level = re.sub(r"[+#/]", "_", stream)
    return level if level == stream else f"{level}_{short_hash(stream)}"


def _area(face: FaceResult) -> float:
    left, top, right, bottom = face.detection.box_xyxy.tolist()
    return float((right - left) * (bottom - top))
