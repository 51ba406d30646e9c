"""Where servers listen and clusters are; apart, so that the command line can check it early."""

from __future__ import annotations

from dataclasses import dataclass

from streamfer.errors import ConfigError

LOOPBACK = "127.0.0.1"
_MOST_LOCAL_NODES = 64
"""Each is several processes."""


def parse_address(address: str, flag: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`; without a host, loopback.

    Args:
        address: what the user gave.
        flag: the option, for messages.

    Raises:
        ConfigError: it is none of these.
    """
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdecimal() and len(port) < 6 and int(port) < 65536):
        raise ConfigError(f"{flag}: expected HOST:PORT or PORT, got {address!r}")
    return host.removeprefix("[").removesuffix("]") or LOOPBACK, int(port)


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Which cluster a run is for."""

    host: str | None
    """None for the one that this machine belongs to, and for one that is made for the run."""
    port: int | None
    nodes: int | None
    """Of the one that is made; None where it is there already."""

    def __str__(self) -> str:
        if self.nodes is not None:
            return f"local:{self.nodes}"
        if self.host is None:
            return "auto"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_cluster(text: str) -> ClusterAddress:
    """The cluster of `auto`, `HOST:PORT` or `local:N`.

    Raises:
        ConfigError: it is none of these.
    """
    host, _, number = text.rpartition(":")
    if text == "auto":
        return ClusterAddress(None, None, None)
    if number.isascii() and number.isdecimal() and host and "/" not in host and len(number) < 6:
        if host == "local" and 1 <= int(number) <= _MOST_LOCAL_NODES:
            return ClusterAddress(None, None, int(number))
        if host != "local" and 1 <= int(number) < 65536:
            return ClusterAddress(host.removeprefix("[").removesuffix("]"), int(number), None)
    raise ConfigError(
        f"--cluster: expected auto, HOST:PORT or local:N with N up to {_MOST_LOCAL_NODES}, got"
        f" {text!r}"
    )
