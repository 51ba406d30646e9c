"""Which sources the live page may add for somebody who is not at this machine.

Whoever may add any address makes this machine connect anywhere: to a router, to a database beside
it, to the metadata service of a cloud, and the answers tell which of them are there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from streamfer.errors import ConfigError, SourceError
from streamfer.media.sources.kinds import SourceKind
from streamfer.media.sources.source_list import SourceSpec, expand_sources

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CAMERAS = "camera:"
_NAME = re.compile(r"[a-z0-9*?]([a-z0-9_.*?-]*[a-z0-9*?])?")
_PLAIN_URL = re.compile(r"[!-\[\]-~]+")
"""Visible ASCII without the backslash: what is left is read alike by all who take a URL apart."""


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """Network streams of some hosts, this machine's cameras where they are named, and `demo:`."""

    names: tuple[str, ...] = ()
    """Host names in lower case, in which `*` stands for anything."""
    networks: tuple[Network, ...] = ()
    cameras: bool = False

    def allow(self, source: str) -> bool:
        """Whether a source may be added; does not say which files there are."""
        try:
            return all(self._allows(spec) for spec in expand_sources([source]))
        except (SourceError, ConfigError):
            return False

    def _allows(self, spec: SourceSpec) -> bool:
        if spec.kind is SourceKind.CAMERA:
            return self.cameras
        if spec.kind is SourceKind.NETWORK:
            host = _host(spec.location)
            return host is not None and self._knows(host)
        # Files, the screen, and filter graphs, which can read both, are this machine's own.
        return spec.kind is SourceKind.DEMO

    def _knows(self, host: str) -> bool:
        address = _address(host)
        if address is None:  # names are not looked up: what they point to can change
            return any(fnmatchcase(host, name) for name in self.names)
        return any(
            address.version == network.version and address in network for network in self.networks
        )


def allowed_sources(entries: str | None, sources: Iterable[str] = ()) -> AllowedSources:
    """What may be added: what is listed, and the hosts that the run has sources of already.

    Args:
        entries: `cam.example.org,*.cams.local,10.0.0.0/8,camera:`.
        sources: of the run.

    Raises:
        ConfigError: an entry is none of these.
    """
    listed = [entry.strip().lower() for entry in (entries or "").split(",")]
    if entries is not None and "" in listed:
        raise ConfigError("--web-sources: an entry is empty; separate hosts by single commas")
    known = [host for source in sources if "://" in source and (host := _host(source))]
    names, networks = _sorted_out([entry for entry in listed if entry not in ("", CAMERAS)], known)
    return AllowedSources(tuple(names), tuple(networks), CAMERAS in listed)


def _sorted_out(listed: Sequence[str], known: Sequence[str]) -> tuple[list[str], list[Network]]:
    names, networks = [], []
    for entry in (*listed, *known):
        try:
            networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
        except ValueError:
            if not _NAME.fullmatch(entry):
                raise ConfigError(
                    f"--web-sources {entry}: expected a host, as cam.example.org or *.cams.local,"
                    " a network, as 10.0.0.0/8, or camera:"
                ) from None
            names.append(entry)
    return names, networks


def _host(url: str) -> str | None:
    """The host that FFmpeg would turn to; None where there is none, or it is written oddly."""
    if not _PLAIN_URL.fullmatch(url):
        return None
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return None
    if not host or ("%" in host or "*" in host or "?" in host):
        return None
    return host if _address(host) is not None or _NAME.fullmatch(host) else None


def _address(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
