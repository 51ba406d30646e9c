from __future__ import annotations

import json
import logging
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from streamfer.app.session.delivery.addresses import MqttAddress
from streamfer.app.session.delivery.mqtt import Mqtt
from streamfer.errors import ConfigError
from streamfer.types import StreamEvent
from tests.support.certificate import make_certificate
from tests.support.mosquitto import Mosquitto
from tests.support.timed_results import face, film

PASSWORD = "p@ss"


def event(number: int) -> StreamEvent:
    return StreamEvent("cam_1", "face_appeared", float(number), details={"track": number})


class Subscriber:
    """Keeps what it gets, and can be waited on."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.messages: list[tuple[str, str]] = []
        self._changed = threading.Condition()
        self._connected = threading.Event()
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id="subscriber", clean_session=False
        )
        self._client.username_pw_set("me", PASSWORD)
        if tls is not None:
            self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda *_: self._connected.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._connected.wait(60)

    def _on_message(self, _: Client, __: Any, message: Any) -> None:
        with self._changed:
            self.messages.append((message.topic, message.payload.decode()))
            self._changed.notify()

    def on(self, topic: str) -> list[Any]:
        return [json.loads(text) for where, text in self.messages if where == topic]

    def wait_for(self, topic: str, count: int) -> list[Any]:
        """The first messages on a topic."""
        with self._changed:
            assert self._changed.wait_for(
                lambda: sum(where == topic for where, _ in self.messages) >= count, 30
            ), self.messages
        return [text for where, text in self.messages if where == topic]

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path, PASSWORD)
    made.start()
    yield made
    made.kill()


def address(port: int, scheme: str = "mqtt") -> MqttAddress:
    return MqttAddress(f"{scheme}://me:p%40ss@127.0.0.1:{port}/house/faces")


def test_results_events_states_and_entities_are_published(broker: Mosquitto) -> None:
    subscriber = Subscriber(broker.port)
    try:
        with Mqtt(address(broker.port)) as mqtt:
            subscriber.wait_for("house/faces/status", 1)
            for result in film((0.2, [face(1), face(2, "sad")]), (0.1, []), stream="cam_1"):
                mqtt.write(result)
                mqtt.event(event(result.frame.index))
            subscriber.wait_for("house/faces/cam_1/event", 3)
        assert subscriber.wait_for("house/faces/status", 2) == ["online", "offline"]
        assert subscriber.on("house/faces/cam_1/event") == [event(n).to_dict() for n in range(3)]
        assert subscriber.on("house/faces/cam_1/state") == [
            {"faces": 2, "emotion": "happy"},
            {"faces": 0, "emotion": None},
        ]
        first = subscriber.on("house/faces/cam_1/result")[0]
        assert (first["frame"], len(first["faces"])) == (0, 2)
        found = {topic.split("/")[1] for topic, _ in subscriber.messages if "/config" in topic}
        assert found == {"sensor", "binary_sensor", "event"}
        entity = subscriber.on(
            "homeassistant/binary_sensor/streamfer_house_faces_cam_1_presence/config"
        )[0]
        assert entity["availability_topic"] == "house/faces/status"
        assert entity["state_topic"] == "house/faces/cam_1/state"
        assert mqtt.notes == ()
    finally:
        subscriber.stop()


def test_nothing_is_lost_when_the_broker_is_killed_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = make_certificate(tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    broker = Mosquitto(tmp_path, PASSWORD, certificate)
    broker.start()
    subscriber = Subscriber(broker.port, trusted)
    try:
        with caplog.at_level(logging.WARNING), Mqtt(address(broker.port, "mqtts"), trusted) as mqtt:
            subscriber.wait_for("house/faces/status", 1)
            mqtt.event(event(0))
            subscriber.wait_for("house/faces/cam_1/event", 1)
            broker.kill()
            for number in range(1, 50):
                mqtt.event(event(number))
            broker.start()
            subscriber.wait_for("house/faces/cam_1/event", 50)
        numbers = [e["track"] for e in subscriber.on("house/faces/cam_1/event")]
        assert sorted(set(numbers)) == list(range(50))
        assert mqtt.notes == ()
        assert any("connection lost" in record.message for record in caplog.records)
        assert "p@ss" not in caplog.text
        assert "p%40ss" not in caplog.text
    finally:
        subscriber.stop()
        broker.kill()


def test_events_that_wait_leave_room_for_status_and_state(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, PASSWORD)
    try:
        with Mqtt(address(broker.port), most_queued=3) as mqtt:
            for number in range(5):
                mqtt.event(event(number))
            for result in film((0.1, [face(1)]), stream="cam_1"):
                mqtt.write(result)
            broker.start()
            subscriber = Subscriber(broker.port)
            try:
                assert subscriber.wait_for("house/faces/status", 1) == ["online"]
                subscriber.wait_for("house/faces/cam_1/state", 1)
            finally:
                subscriber.stop()
        assert subscriber.on("house/faces/cam_1/state") == [{"faces": 1, "emotion": "happy"}]
        assert mqtt.notes == (f"{mqtt.name}: 2 events were not delivered",)
    finally:
        broker.kill()


def test_nobody_is_there_once_a_camera_is_lost_or_has_ended(broker: Mosquitto) -> None:
    subscriber, state = Subscriber(broker.port), "house/faces/cam_1/state"
    try:
        with Mqtt(address(broker.port)) as mqtt:
            sink = mqtt.sink("cam_1")
            for count in (1, 3):
                for result in film((0.1, [face(1)]), stream="cam_1"):
                    sink.write(result)
                subscriber.wait_for(state, count)
                if count == 1:
                    sink.event(StreamEvent("cam_1", "disconnected", 1.0))
                else:
                    sink.close()
                subscriber.wait_for(state, count + 1)
            mqtt.sink("never_seen").close()
        there, gone = {"faces": 1, "emotion": "happy"}, {"faces": 0, "emotion": None}
        assert subscriber.on(state) == [there, gone] * 2
        assert not any("never_seen" in topic for topic, _ in subscriber.messages)
    finally:
        subscriber.stop()


@contextmanager
def a_log_line() -> Iterator[threading.Event]:
    """Set once the delivery says something."""
    said = threading.Event()

    class Heard(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.set()

    logger, heard = logging.getLogger("streamfer.app.session.delivery.mqtt"), Heard()
    logger.addHandler(heard)
    try:
        yield said
    finally:
        logger.removeHandler(heard)


def test_an_absent_broker_is_said_once_and_the_queue_is_bounded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with a_log_line() as said, Mqtt(address(1), most_queued=10) as mqtt:
        for number in range(25):
            mqtt.event(event(number))
        for result in film((0.5, [face(1)])):
            mqtt.write(result)
        assert said.wait(60)
    assert mqtt.notes == (
        "--mqtt mqtt://***@127.0.0.1:1/house/faces: 25 events were not delivered",
    )
    assert [record.message for record in caplog.records] == [
        "--mqtt mqtt://***@127.0.0.1:1/house/faces: cannot be reached; trying again"
    ]


def test_a_wrong_password_is_said(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    with a_log_line() as said, Mqtt(MqttAddress(f"mqtt://me:wrong@127.0.0.1:{broker.port}/x")):
        assert said.wait(60)
    assert "refuses the connection: Not authorized" in caplog.text
    assert "wrong" not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://host/x",
        "mqtt://host",
        "mqtt://host/",
        "mqtt:///x",
        "mqtt://me:hunter2@host:port/x",
        "mqtt://host/a/+/b",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--mqtt .*expected mqtt\[s\]") as raised:
        MqttAddress(url)
    assert "hunter2" not in str(raised.value)


def test_ports_and_prefix_are_read_from_the_address() -> None:
    assert MqttAddress("mqtt://host/a/b/").port == 1883
    assert MqttAddress("mqtts://host/a").port == 8883
    assert MqttAddress("mqtt://u:p%3Aw@host:99/a/b/").credentials == ("u", "p:w")
    assert MqttAddress("mqtt://host:99/a/b/").prefix == "a/b"
