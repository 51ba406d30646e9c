"""Where `--mqtt` publishes; apart from what does, which takes a while to import."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from streamfer.errors import ConfigError
from streamfer.media.redact import redact_url


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """A broker's URL, taken apart.

    Raises:
        ConfigError: it is none.
    """

    url: str

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

    def __repr__(self) -> str:
        return f"MqttAddress({self.label!r})"

    @property
    def label(self) -> str:
        """Without credentials."""
        return redact_url(self.url)

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

    @property
    def credentials(self) -> tuple[str, str | None] | None:
        """User and password."""
        parts = urlsplit(self.url)
        if parts.username is None:
            return None
        return unquote(parts.username), parts.password and unquote(parts.password)
