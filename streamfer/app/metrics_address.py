"""Where `--metrics` listens; apart from the server, so that the command line can check it early."""

from __future__ import annotations

from streamfer.errors import ConfigError

LOOPBACK = "127.0.0.1"


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, loopback.

    Raises:
        ConfigError: it is none of these.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise ConfigError(f"--metrics: expected HOST:PORT or PORT, got {address!r}")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)
