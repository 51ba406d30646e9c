from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import ssl
import threading
from pathlib import Path

import pytest

from streamfer.app.session.delivery.addresses import WebhookAddress
from streamfer.app.session.delivery.spool import Spool
from streamfer.app.session.delivery.webhook import Answer, HttpPost, Webhook
from streamfer.errors import ConfigError
from streamfer.types import StreamEvent
from tests.support.webhook_server import Receiver, webhook_server

KEY = b"secret"


def event(number: int) -> StreamEvent:
    return StreamEvent("cam", "face_appeared", float(number), details={"track": number})


class Waits:
    """Waits that pass at once where they are pauses after a failure, and are remembered."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, flag: threading.Event, seconds: float | None) -> bool:
        if seconds is None or seconds == 5.0:  # for something to do; for the queue to empty
            return flag.wait(20.0)
        self.pauses.append(seconds)
        return flag.is_set()


def hook(url: str, folder: Path, waits: Waits) -> Webhook:
    address = WebhookAddress(url)
    post = HttpPost(address, KEY, ssl.create_default_context())
    return Webhook(address.label, post, Spool(folder, url), waits, lambda: 1.0)


def sent(receiver: Receiver) -> list[int]:
    return [json.loads(body)["track"] for body in receiver.bodies]


def test_an_event_is_one_signed_json_object(tmp_path: Path) -> None:
    with webhook_server() as receiver:
        url = receiver.url.replace("//", "//me:p%40ss@")
        with hook(f"{url}/in?a=b", tmp_path, Waits()) as webhook:
            webhook.event(event(1))
    assert json.loads(receiver.bodies[0]) == event(1).to_dict()
    headers = receiver.headers[0]
    expected = hmac.new(KEY, receiver.bodies[0], hashlib.sha256).hexdigest()
    assert headers["X-Streamfer-Signature"] == f"sha256={expected}"
    assert headers["Content-Type"] == "application/json"
    assert headers["Authorization"] == "Basic bWU6cEBzcw=="
    assert webhook.notes == ()


def test_failures_are_tried_again_in_order_after_pauses_that_grow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waits = Waits()
    with (
        caplog.at_level(logging.WARNING),
        webhook_server(500, 503, 302, 200, 404) as receiver,
        hook(receiver.url, tmp_path, waits) as webhook,
    ):
        for number in range(3):
            webhook.event(event(number))
    assert sent(receiver) == [0, 0, 0, 0, 1, 1, 2]
    assert waits.pauses == [1.0, 2.0, 4.0, 1.0]
    said = [record.message for record in caplog.records]
    assert said == [
        f"--webhook {receiver.url}: does not take events (HTTP {status}); trying again"
        for status in (500, 404)
    ]


def test_pauses_do_not_grow_for_ever(tmp_path: Path) -> None:
    waits = Waits()
    with webhook_server(*[500] * 12) as receiver, hook(receiver.url, tmp_path, waits) as webhook:
        webhook.event(event(1))
    assert max(waits.pauses) == 60.0
    assert len(receiver.bodies) == 13


def test_an_event_that_is_refused_does_not_block_the_others(tmp_path: Path) -> None:
    with (
        webhook_server(422) as receiver,
        hook(receiver.url, tmp_path, Waits()) as webhook,
    ):
        webhook.event(event(1))
        webhook.event(event(2))
    assert sent(receiver) == [1, 2]
    assert webhook.notes == (f"--webhook {receiver.url}: 1 events were refused by it",)


class Absent:
    """A receiver that never takes anything; ends the wait for it at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __call__(self, body: bytes) -> tuple[Answer, str]:
        self.asked.set()
        return "later", "Connection refused"

    def cancel(self) -> None:
        pass


def test_what_is_not_delivered_is_left_to_the_next_run(tmp_path: Path) -> None:
    absent = Absent()

    def wait(flag: threading.Event, seconds: float | None) -> bool:
        if seconds == 5.0:
            return absent.asked.wait(20)  # the end of the run does not wait for ever
        return flag.wait(seconds)

    with webhook_server() as receiver:
        with Webhook("label", absent, Spool(tmp_path, receiver.url), wait) as webhook:
            webhook.event(event(1))
            webhook.event(event(2))
        assert webhook.notes == ("--webhook label: 2 events are left for the next run to deliver",)
        with hook(receiver.url, tmp_path, Waits()) as again:
            again.event(event(3))
        assert sent(receiver) == [1, 2, 3]


def test_a_receiver_that_hangs_holds_neither_events_nor_the_end(tmp_path: Path) -> None:
    def wait(flag: threading.Event, seconds: float | None) -> bool:
        return flag.wait(None if seconds is None else 0.0)

    with webhook_server(None) as receiver:
        address = WebhookAddress(receiver.url)
        post = HttpPost(address, None, ssl.create_default_context())
        with Webhook(address.label, post, Spool(tmp_path, address.url), wait) as webhook:
            webhook.event(event(1))
            assert receiver.asked.acquire(timeout=20)
            for number in range(100):
                webhook.event(event(number))
        assert webhook.notes == (
            f"--webhook {address.label}: 101 events are left for the next run to deliver",
        )


@pytest.mark.parametrize(
    "url", ["ftp://host/", "http://", "host:80", "http://me:hunter2@host:port/", "http://a b/"]
)
def test_an_address_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match=r"--webhook .*expected http") as raised:
        WebhookAddress(url)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/größe?wo=Küche", "/gr%C3%B6%C3%9Fe?wo=K%C3%BCche"),
        ("/a%20b/(x)?t=%2F&u=~a;b,c", "/a%20b/(x)?t=%2F&u=~a;b,c"),
    ],
)
def test_letters_beyond_ascii_are_sent_as_browsers_send_them(path: str, target: str) -> None:
    with webhook_server() as receiver:
        answer = HttpPost(WebhookAddress(receiver.url + path), None, None)(b"{}")
    assert answer == ("taken", "200")
    assert receiver.targets == [target]


def test_the_password_is_in_no_text_about_it() -> None:
    address = WebhookAddress("https://me:hunter2@host/in?token=abc")
    assert "hunter2" not in repr(address) + address.label
    assert "abc" not in address.label


def test_of_what_a_server_says_only_the_beginning_is_repeated() -> None:
    line = b"http://u:hunter2@h/" + b"a" * 60_000
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(line + b"\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        post = HttpPost(WebhookAddress(f"http://127.0.0.1:{server.getsockname()[1]}/h"), None, None)
        outcome, why = post(b"{}")
        thread.join()
    assert outcome == "later"
    assert "http://***@h/" in why
    assert len(why) == 300
