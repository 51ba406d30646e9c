"""Who may see the live page, and change what it shows.

On loopback everybody on this machine may, but no page of another site may make their browser do
so: Host and Origin are checked. Any other address needs a token, which stands in the address that
`run` prints and becomes a cookie that scripts cannot read.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a request is not answered."""

    status: int
    reason: str


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one server."""

    host: str
    """The address that it listens on."""
    port: int
    secure: bool = False
    """Whether it speaks TLS."""
    token: str | None = field(default=None, repr=False)
    """None on loopback."""

    def refused(self, headers: Mapping[str, str], query_token: str | None) -> Refused | None:
        """Why a request is refused; None where it may be answered.

        Args:
            headers: of the request, names in lower case.
            query_token: `token` in its query.
        """
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Refused(403, "this server has another name; use the address that run printed")
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"{self._scheme}://{host}".lower():
            return Refused(403, "pages of other sites may not use this server")
        if _is_embedded(headers):
            return Refused(403, "pages of other sites may not show what this server shows")
        if self.token is not None and not self._knows_token(headers, query_token):
            return Refused(401, "a token is missing or wrong; use the address that run printed")
        return None

    def cookie(self) -> str:
        """The `Set-Cookie` of somebody who has brought the token."""
        secure = "; Secure" if self.secure else ""
        return f"{self._cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict{secure}"

    @property
    def url(self) -> str:
        """Where the page is, with the token if there is one."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host
        shown = f"[{host}]" if ":" in host else host
        query = "" if self.token is None else f"?token={self.token}"
        return f"{self._scheme}://{shown}:{self.port}/{query}"

    @property
    def _cookie_name(self) -> str:
        """With the port: cookies don't tell the servers of one machine apart."""
        return f"streamfer-{self.port}"

    @property
    def _scheme(self) -> str:
        return "https" if self.secure else "http"

    def _is_ours(self, host: str) -> bool:
        """Whether `Host` names this server: names that others may have pointed at it don't."""
        name, _, port = host.rpartition(":")
        if not (port.isascii() and port.isdecimal()) or name.endswith(":"):
            name, port = host, "443" if self.secure else "80"
        name = name.removeprefix("[").removesuffix("]").lower()
        if port != str(self.port):
            return False
        if is_loopback(self.host):
            return name in _LOOPBACK_NAMES or name == self.host
        ours = socket.gethostname().lower()
        if name in {ours, self.host.lower(), *_LOOPBACK_NAMES}:
            return True
        if name.partition(".")[0] == ours.partition(".")[0]:  # cam.local, cam.example.org
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _knows_token(self, headers: Mapping[str, str], query_token: str | None) -> bool:
        assert self.token is not None
        brought = [query_token, headers.get("authorization", "").removeprefix("Bearer ")]
        brought += self._cookie_values(headers.get("cookie", ""))
        expected = self.token.encode()
        return any(
            hmac.compare_digest(given.encode(errors="replace"), expected)
            for given in brought
            if given
        )

    def _cookie_values(self, header: str) -> Iterator[str]:
        """The values of our cookie among those of all programs on this host, whatever the others
        look like.

        There may be several: other paths and parent domains have their own. One that is right will
        do, as whoever knows the token may as well bring it alone.
        """
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == self._cookie_name:
                yield value


def _is_embedded(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another site asks, and not for a page to go to."""
    if headers.get("sec-fetch-site") not in ("cross-site", "same-site"):
        return False
    goes_there = headers.get("sec-fetch-mode") == "navigate"
    return not (goes_there and headers.get("sec-fetch-dest") == "document")
