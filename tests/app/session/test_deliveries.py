from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import streamfer
from streamfer.app.config import RunConfig
from streamfer.app.session.deliveries import Deliveries
from streamfer.app.session.delivery.home_assistant import ObjectIds
from streamfer.errors import ConfigError
from tests.support.webhook_server import webhook_server


def test_a_run_s_events_are_the_same_at_the_webhook_and_in_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "streamfer.app.session.deliveries.default_root", lambda: tmp_path / "engines"
    )
    records = tmp_path / "r.jsonl"
    key = tmp_path / "key"
    key.write_text("secret\n")
    with webhook_server(503) as receiver, streamfer.Session(refine=False) as session:
        outcome = session.run(
            "demo:", max_frames=20, records=records, webhook=receiver.url, webhook_key=key
        )
    events = streamfer.read_records(records).events
    assert [event["event"] for event in events] == ["face_appeared", "face_left"]
    assert [json.loads(body) for body in receiver.bodies] == [events[0], *events]
    assert outcome.notes == ()


def test_a_broker_and_a_webhook_that_are_absent_leave_the_run_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "streamfer.app.session.deliveries.default_root", lambda: tmp_path / "engines"
    )
    monkeypatch.setattr("streamfer.app.session.delivery.webhook._DRAIN_S", 0.1)
    with caplog.at_level(logging.WARNING), streamfer.Session(refine=False) as session:
        outcome = session.run(
            "demo:",
            max_frames=20,
            mqtt="mqtt://me:hunter2@127.0.0.1:1/x",
            webhook="http://me:hunter2@127.0.0.1:1/",
        )
    assert outcome.snapshot.frames == 20
    assert outcome.failures == ()
    assert sorted(outcome.notes) == [
        "--mqtt mqtt://***@127.0.0.1:1/x: 2 events were not delivered",
        "--webhook http://***@127.0.0.1:1/: 2 events are left for the next run to deliver",
    ]
    assert "hunter2" not in caplog.text


def test_a_broker_s_entities_have_their_ids_by_all_names_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[list[str]] = []

    class Noted(ObjectIds):
        def __init__(self, prefix: str, streams: Iterable[str] = ()) -> None:
            known.append(list(streams))
            super().__init__(prefix, known[-1])

    monkeypatch.setattr("streamfer.app.session.delivery.mqtt.ObjectIds", Noted)
    with streamfer.Session(refine=False) as session:
        session.run("demo:", max_frames=1, mqtt="mqtt://127.0.0.1:1/x")
    assert known == [["demo"]]


def test_a_broker_s_sinks_know_their_stream() -> None:
    notes: list[str] = []
    with Deliveries.of(RunConfig(mqtt="mqtt://127.0.0.1:1/x")).open(notes) as made:
        sinks = [make(stream) for make in made for stream in ("one", "two")]
        for sink in sinks:
            sink.close()
    assert len({id(sink) for sink in sinks}) == 2
    assert {sink.name for sink in sinks} == {"--mqtt mqtt://127.0.0.1:1/x"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"webhook": "ftp://x"}, "--webhook ftp://x: expected"),
        ({"mqtt": "mqtt://x"}, "--mqtt mqtt://x: expected"),
        ({"webhook_key": "k"}, "--webhook-key: is of --webhook"),
        ({"webhook": "http://x", "webhook_key": "/none"}, "--webhook-key /none: No such file"),
        ({"webhook": "https://x", "tls_ca": "/none"}, "--tls-ca /none: No such file"),
        ({"webhook": "http://x", "tls_ca": "/none"}, "--tls-ca /none: No such file"),
    ],
)
def test_what_cannot_be_is_refused_by_the_call(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        streamfer.analyze("demo:", **options)


@pytest.mark.parametrize(
    ("options", "encrypted"),
    [
        ({}, False),
        ({"webhook": "http://x", "mqtt": "mqtt://x/y"}, False),
        ({"webhook": "https://x", "mqtt": "mqtt://x/y"}, True),
        ({"webhook": "http://x", "mqtt": "mqtts://x/y"}, True),
    ],
)
def test_certificates_are_read_only_where_something_is_encrypted(
    options: dict[str, Any], encrypted: bool
) -> None:
    assert (Deliveries.of(RunConfig(**options)).tls is not None) == encrypted


def test_the_saved_configuration_holds_no_password() -> None:
    config = RunConfig(webhook="https://me:hunter2@host/", mqtt="mqtt://me:hunter2@host/x")
    assert "hunter2" not in config.to_json()
