"""`--webhook URL`: every event as one JSON object, POSTed until it is taken."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import logging
import random
import socket
import ssl
import string
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal, Protocol, Self
from urllib.parse import quote, urlsplit

from streamfer.app.session.delivery.addresses import WebhookAddress
from streamfer.app.session.delivery.spool import Spool
from streamfer.errors import OutputError
from streamfer.media.redact import redact_text
from streamfer.types import FrameResult, StreamEvent

log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
"""For connecting, and for every read of the answer."""
_BACKOFF_S = (1.0, 60.0)
"""The first pause after a failure, and the longest."""
_DRAIN_S = 5.0
"""How long the end of a run waits for the queue to empty."""
_FOR_THIS_BODY = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 422, 431})
"""Answers that no further try would change: the event is given up."""

_READ_OF_REASON, _SHOWN_OF_REASON = 2_000, 300
"""Characters of what a server says, which may be lines of 64 kB. A password that the first cut goes
through, so that nothing tells it from other text, is behind the second."""

Answer = Literal["taken", "refused", "later"]


class Post(Protocol):
    """Sends one body; a test may put its own in its place."""

    def __call__(self, body: bytes) -> tuple[Answer, str]:
        """What came of it, and why, in words."""
        ...

    def cancel(self) -> None:
        """Breaks off what is under way, from another thread."""
        ...


class HttpPost:
    """POSTs bodies to an address, one connection each, without following redirects.

    Args:
        address: where to.
        key: what bodies are signed with, HMAC-SHA256; None: they are not signed.
        tls: how https servers are checked; None for http.
    """

    def __init__(
        self, address: WebhookAddress, key: bytes | None, tls: ssl.SSLContext | None
    ) -> None:
        self._address = address
        self._key = key
        self._tls = tls
        self._connection: http.client.HTTPConnection | None = None

    def __call__(self, body: bytes) -> tuple[Answer, str]:
        """See `Post`."""
        parts = urlsplit(self._address.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        # Letters beyond ASCII as browsers send them; what is encoded already stays.
        target = quote(target, safe=string.punctuation)
        host = parts.hostname or ""
        connection = (
            http.client.HTTPSConnection(host, parts.port, timeout=_TIMEOUT_S, context=self._tls)
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, parts.port, timeout=_TIMEOUT_S)
        )
        self._connection = connection
        try:
            connection.request("POST", target, body, self._headers(body))
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException, ValueError) as error:
            return "later", _reason(error)
        finally:
            self._connection = None
            connection.close()
        if 200 <= status < 300:
            return "taken", str(status)
        return "refused" if status in _FOR_THIS_BODY else "later", f"HTTP {status}"

    def cancel(self) -> None:
        """See `Post`."""
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _headers(self, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "User-Agent": "streamfer"}
        if self._address.credentials is not None:
            user, password = self._address.credentials
            pair = f"{user}:{password or ''}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        if self._key is not None:
            headers["X-Streamfer-Signature"] = f"sha256={signature(self._key, body)}"
        return headers


def _reason(error: Exception) -> str:
    said = str(error)[:_READ_OF_REASON] or type(error).__name__
    return redact_text(said)[:_SHOWN_OF_REASON]


def signature(key: bytes, body: bytes) -> str:
    """HMAC-SHA256 of a body, in hexadecimal digits."""
    return hmac.new(key, body, hashlib.sha256).hexdigest()


class Webhook:
    """A sink of all streams that delivers their events in order, from a thread of its own.

    Events wait on disk, so that writing one is all that the pipeline ever waits for, and one that
    could not be delivered is left to the next run. Delivery is tried again after pauses that grow.

    Args:
        label: the address without credentials.
        post: sends a body.
        spool: where events wait; closed with this.
        wait: waits for a flag at most so many seconds; says whether it was set.
        jitter: random numbers in [0, 1) for the pauses.
    """

    def __init__(
        self,
        label: str,
        post: Post,
        spool: Spool,
        wait: Callable[[threading.Event, float | None], bool] = threading.Event.wait,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = f"--webhook {label}"
        self._post = post
        self._spool = spool
        self._wait = wait
        self._jitter = jitter
        self._something = threading.Event()
        self._closing = threading.Event()
        self._draining = threading.Event()
        self._empty = threading.Event()
        self._left = 0
        self._refused = 0
        self._complained = False
        self._failure: OutputError | None = None
        self._thread = threading.Thread(target=self._run, name="webhook")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._draining.set()
        self._something.set()
        self._wait(self._empty, _DRAIN_S)
        self._closing.set()
        self._something.set()
        self._post.cancel()
        self._thread.join()
        self._left = len(self._spool)
        self._spool.close()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the summary has to say, once it is closed."""
        notes = []
        if self._left:
            notes.append(f"{self.name}: {self._left} events are left for the next run to deliver")
        if self._refused:
            notes.append(f"{self.name}: {self._refused} events were refused by it")
        if self._spool.dropped:
            notes.append(f"{self.name}: {self._spool.dropped} events were lost to a full queue")
        return tuple(notes)

    def write(self, result: FrameResult) -> None:
        """Frames are not sent."""

    def event(self, event: StreamEvent) -> None:
        """Queues an event.

        Raises:
            OutputError: the queue cannot be written.
        """
        if self._failure is not None:
            raise self._failure
        self._spool.put(json.dumps(event.to_dict(), ensure_ascii=False))
        self._something.set()

    def close(self) -> None:
        """A stream has ended; others go on."""

    def _run(self) -> None:
        try:
            failures = 0
            while not self._closing.is_set():
                self._something.clear()
                draining = self._draining.is_set()  # nothing is queued after that
                waiting = self._spool.first()
                if waiting is None:
                    if draining:
                        self._empty.set()
                    self._wait(self._something, None)
                    continue
                answer, why = self._post(waiting.body.encode())
                if answer == "later":
                    failures += 1
                    self._complain(why)
                    self._wait(self._closing, self._pause_s(failures))
                    continue
                failures, self._complained = 0, False
                self._spool.remove(waiting.number)
                if answer == "refused":
                    self._refused += 1
                    log.warning("%s: refuses an event (%s)", self.name, why)
        except OutputError as error:  # said by the output thread that brings the next event
            self._failure = error
            self._empty.set()

    def _pause_s(self, failures: int) -> float:
        shortest, longest = _BACKOFF_S
        return min(shortest * 2.0 ** min(failures - 1, 16), longest) * (0.5 + self._jitter() / 2)

    def _complain(self, why: str) -> None:
        if not self._complained and not self._closing.is_set():
            self._complained = True
            log.warning("%s: does not take events (%s); trying again", self.name, why)
