"""How FFmpeg has to be asked for each kind of live stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from streamfer.errors import ConfigError
from streamfer.media.redact import redact_url
from streamfer.media.sources.kinds import SCHEMES
from streamfer.media.sources.live_sound import LiveSound
from streamfer.media.sources.loss import ConnectionLost, network_failure
from streamfer.media.sources.packets import PacketMemory

RtspTransport = Literal["tcp", "udp"]

_QUICK_START = {"fpsprobesize": "0"}
"""No frames are read to guess the rate: that alone takes over a second.

`fflags=nobuffer` is left out on purpose. It throws away the packets read while the stream was
probed, the key picture among them, so that the first picture comes one GOP later; with it or
without it the age of the pictures is the same, because the probed ones are decoded in one go.
"""

_HLS_READ_TIMEOUT_S = 20.0
"""A playlist brings nothing new for a whole segment, of 6 s or more."""


@dataclass(frozen=True, slots=True)
class LiveConfig:
    """Time-outs, retries and transport of live streams."""

    open_timeout_s: float = 4.0
    """Once for connecting, and once more for finding out what the stream is. With the read time-out
    it bounds how long a source can hold the program's exit."""
    read_timeout_s: float = 4.0
    """Silence after which a stream counts as lost."""
    backoff_min_s: float = 0.5
    backoff_max_s: float = 2.0
    refused_backoff_s: float = 30.0
    """Between tries after a wrong password: cameras lock accounts that fail too often."""
    max_reconnects: int | None = None
    """Failed tries in a row before a stream is given up; None for never."""
    rtsp_transport: RtspTransport = "tcp"
    tls_verify: bool = True
    """Whether the server's certificate must be valid."""
    tls_ca: Path | None = None
    """PEM file of trusted certificates; None for the system's."""
    hwaccel: str | None = None
    """FFmpeg's hardware decoder: `cuda`, `vaapi`, …; None decodes on the CPU."""
    sound: bool = False
    """Whether RTSP servers are asked for the sound, too."""

    def __post_init__(self) -> None:
        if self.rtsp_transport not in ("tcp", "udp"):
            raise ConfigError(f"RTSP transport must be tcp or udp, not {self.rtsp_transport!r}")
        if self.max_reconnects is not None and self.max_reconnects < 0:
            raise ConfigError(f"max-reconnects must be at least 0, not {self.max_reconnects}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One live stream as FFmpeg sees it."""

    url: str = field(repr=False)
    """Credentials and all; never shown."""
    label: str
    """For people: the URL without credentials, or the device's name."""
    variants: tuple[Mapping[str, str], ...]
    """Option sets to try in turn."""
    format: str | None = None
    """FFmpeg's input format; None lets it find out."""
    fallback_format: str | None = None
    """Format to try where FFmpeg cannot find out."""
    relay: tuple[str, ...] | None = None
    """A program that writes the stream to its standard output, which is read instead of `url`; its
    pictures get the time of their arrival."""
    read_timeout_s: float = 4.0
    """Silence after which it counts as lost."""
    hwaccel: str | None = None
    """FFmpeg's hardware decoder; codecs that it cannot decode are decoded on the CPU."""
    paced: bool = False
    """Whether pictures may come in bursts and have to be spread over their own time."""
    packets: PacketMemory | None = None
    """What keeps the newest packets; None: nobody needs them."""
    sound: LiveSound | None = None
    """What takes the sound along; None: nobody needs it."""
    explain: Callable[[Exception, float | None], ConnectionLost] = network_failure
    """Says why it could not be opened, from PyAV's exception and the time-out that ran out."""


def network_endpoint(url: str, config: LiveConfig) -> Endpoint:
    """The endpoint of an rtsp, rtsps, http, https, srt or udp URL.

    Raises:
        ConfigError: the scheme is none of these.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise ConfigError(f"{redact_url(url)}: not a network stream")
    options = {"protocol_whitelist": SCHEMES[scheme].protocols, **_QUICK_START}
    if scheme in ("rtsp", "rtsps"):
        options |= _rtsp_options(config)
    if scheme in ("rtsps", "https"):
        options |= _tls_options(config)
    if scheme == "udp":
        options["overrun_nonfatal"] = "1"  # packets that come too fast are lost, not the stream
    http = scheme in ("http", "https")
    if http:
        options["live_start_index"] = "-1"  # of a playlist: its newest segment
    return Endpoint(
        url=scheme + url[len(scheme) :],
        label=redact_url(url),
        variants=(options,),
        read_timeout_s=_HLS_READ_TIMEOUT_S if http else config.read_timeout_s,
        # Finds the pictures between parts whose boundaries are not as announced, or missing.
        fallback_format="mjpeg" if http else None,
        hwaccel=config.hwaccel,
        paced=http,
    )


def _rtsp_options(config: LiveConfig) -> dict[str, str]:
    # `prefer_tcp` falls back to UDP where a server has no TCP.
    transport = {"rtsp_flags": "prefer_tcp"}
    if config.rtsp_transport == "udp":
        transport = {"rtsp_transport": "udp"}
    wanted = "video+audio" if config.sound else "video"
    return {"allowed_media_types": wanted, **transport}


def _tls_options(config: LiveConfig) -> dict[str, str]:
    if not config.tls_verify:
        return {"tls_verify": "0"}
    import ssl  # slow to load, and files need none

    trusted = config.tls_ca or ssl.get_default_verify_paths().cafile
    return {"tls_verify": "1"} | ({"ca_file": str(trusted)} if trusted else {})
