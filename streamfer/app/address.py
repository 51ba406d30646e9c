"""Where servers listen; apart from them, so that the command line can check it early."""

from __future__ import annotations

from streamfer.errors import ConfigError

LOOPBACK = "127.0.0.1"


def parse_address(address: str, flag: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, loopback.

    Args:
        address: what the user gave.
        flag: the option, for messages.

    Raises:
        ConfigError: it is none of these.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ConfigError(f"{flag}: expected HOST:PORT or PORT, got {address!r}")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)
