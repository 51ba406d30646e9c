"""What the live page's server needs before anything else is opened: a port and a certificate."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from streamfer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class WebConfig:
    """Where the page is."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    certificate: Path | None = None
    """PEM file of the server's certificate; None: without TLS."""
    key: Path | None = None
    """PEM file of its key, without a password."""


def listen(config: WebConfig) -> socket.socket:
    """The socket that the server will accept connections from; those that come early wait.

    Raises:
        ConfigError: it cannot listen there, or the certificate and key are none.
    """
    if config.certificate is not None and config.key is not None:
        _check_certificate(config.certificate, config.key)
    host, port = config.host, config.port
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        server = socket.socket(family, socket.SOCK_STREAM)
        try:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
            server.listen()
        except OSError:
            server.close()
            raise
    except OSError as error:
        shown = f"[{host}]" if ":" in host else host
        reason = error.strerror or str(error)
        raise ConfigError(
            f"--web {shown}:{port}: cannot listen there ({reason}); choose another address or port"
        ) from error
    return server


def _check_certificate(certificate: Path, key: Path) -> None:
    for file in (certificate, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise ConfigError(f"--web-tls {file}: {error.strerror or error}") from error
    try:
        # With a function for the password OpenSSL does not ask for it at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, lambda: "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or str(error)
        raise ConfigError(
            f"--web-tls {certificate} {key}: not a certificate and its key, PEM files without a"
            f" password ({reason})"
        ) from error
