"""Where `--webhook` and `--mqtt` send; apart from what sends, which takes a while to import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from streamfer.errors import ConfigError
from streamfer.media.redact import redact_url


@dataclass(frozen=True, slots=True, repr=False)
class DeliveryAddress:
    """A URL that may hold a user and a password.

    Subclasses are dataclasses with `repr=False`, too: a generated `repr` would show the password.
    """

    url: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.label!r})"

    @property
    def label(self) -> str:
        """Without credentials."""
        return redact_url(self.url)

    @property
    def credentials(self) -> tuple[str, str | None] | None:
        """User and password."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return None
        return unquote(parts.username), parts.password and unquote(parts.password)


@dataclass(frozen=True, slots=True, repr=False)
class WebhookAddress(DeliveryAddress):
    """A webhook's URL.

    Raises:
        ConfigError: it is none.
    """

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            valid = False
        if not valid or not self.url.isprintable() or " " in self.url:
            raise ConfigError(f"--webhook {self.label}: expected http[s]://[USER:PASSWORD@]HOST/…")

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "https"


@dataclass(frozen=True, slots=True, repr=False)
class MqttAddress(DeliveryAddress):
    """A broker's URL and the prefix of its topics.

    Raises:
        ConfigError: it is none.
    """

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            valid = parts.scheme in ("mqtt", "mqtts") and bool(parts.hostname) and self.port > 0
        except ValueError:
            valid = False
        if not valid or not self.prefix or re.search(r"[+#\s]", self.prefix):
            raise ConfigError(
                f"--mqtt {self.label}: expected mqtt[s]://[USER:PASSWORD@]HOST[:PORT]/PREFIX"
            )

    @property
    def tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """1883, or 8883 with TLS, where none is said."""
        return urlsplit(self.url).port or (8883 if self.tls else 1883)

    @property
    def prefix(self) -> str:
        """What all topics begin with."""
        return unquote(urlsplit(self.url).path).strip("/")
