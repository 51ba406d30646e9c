"""Opens what takes a run's results and events to other programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from streamfer.app.config import RunConfig
from streamfer.app.session.delivery.addresses import MqttAddress, WebhookAddress
from streamfer.app.session.delivery.lsl import load_lsl
from streamfer.errors import ConfigError
from streamfer.pipeline.outlet import Sink
from streamfer.runtime.store.store import default_root

if TYPE_CHECKING:  # what delivers is imported where something is delivered, which few runs do
    import ssl


@dataclass(frozen=True, slots=True)
class Deliveries:
    """Where a run delivers, checked before anything is opened.

    Raises:
        ConfigError: an address or a key is none, or a package is missing.
    """

    webhook: WebhookAddress | None = None
    webhook_key: bytes | None = field(default=None, repr=False)
    mqtt: MqttAddress | None = None
    tls: ssl.SSLContext | None = None
    """How certificates are checked; None where nothing is encrypted."""

    @classmethod
    def of(cls, config: RunConfig) -> Deliveries:
        """Those that a configuration names."""
        if config.lsl:
            load_lsl()
        if config.webhook_key is not None and config.webhook is None:
            raise ConfigError("--webhook-key: is of --webhook, which is not asked for")
        webhook = None if config.webhook is None else WebhookAddress(config.webhook)
        mqtt = None if config.mqtt is None else MqttAddress(config.mqtt)
        encrypted = (webhook is not None and webhook.tls) or (mqtt is not None and mqtt.tls)
        # Reading the system's certificates takes 7 ms; a file that was named is checked anyway.
        tls = _tls(config) if encrypted or config.tls_ca is not None else None
        return cls(webhook, _key(config.webhook_key), mqtt, tls)

    @contextmanager
    def open(
        self, notes: list[str], streams: Iterable[str] = ()
    ) -> Iterator[list[Callable[[str], Sink]]]:
        """Makes sinks, by a stream's name, until the run has ended.

        Args:
            notes: what the summary has to say is added here at the end.
            streams: names of those that the run begins with.

        Raises:
            OutputError: the queue of the webhook cannot be opened.
        """
        with ExitStack() as stack:
            sinks: list[Callable[[str], Sink]] = []
            if self.webhook is not None:
                from streamfer.app.session.delivery.spool import Spool
                from streamfer.app.session.delivery.webhook import HttpPost, Webhook

                post = HttpPost(self.webhook, self.webhook_key, self.tls)
                spool = Spool(default_root().with_name("queue"), self.webhook.url)
                webhook = Webhook(self.webhook.label, post, spool)
                stack.callback(lambda: notes.extend(webhook.notes))
                stack.enter_context(webhook)
                sinks.append(lambda _: webhook)
            if self.mqtt is not None:
                from streamfer.app.session.delivery.mqtt import Mqtt

                mqtt = Mqtt(self.mqtt, self.tls, streams=streams)
                stack.callback(lambda: notes.extend(mqtt.notes))
                sinks.append(stack.enter_context(mqtt).sink)
            yield sinks


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise ConfigError(f"--webhook-key {path}: {error.strerror or error}") from error
    if not key:
        raise ConfigError(f"--webhook-key {path}: is empty")
    return key


def _tls(config: RunConfig) -> ssl.SSLContext:
    import ssl

    try:
        context = ssl.create_default_context(cafile=config.tls_ca)
    except OSError as error:
        raise ConfigError(f"--tls-ca {config.tls_ca}: {error.strerror or error}") from error
    if not config.tls_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
