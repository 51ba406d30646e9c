"""The program `ffmpeg` of the system, which sends what PyAV's FFmpeg has no protocol for."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote_plus

import av
from av.error import FFmpegError

from streamfer.media.redact import redact_url

_SENT_BY_PROGRAM = frozenset({"srt"})
"""Schemes that some builds of FFmpeg lack, and whose stream is bytes to hand on as they are."""
_SECRET_OPTIONS = {"passphrase": "passphrase", "streamid": "srt_streamid"}
"""Part of an SRT query to FFmpeg's option; streaming services put keys into `streamid`."""
_LENGTH_OF_KEYS = "pbkeylen"
"""Sounds secret and is not."""
_LONGEST_OPTION = 512
"""Bytes of a value that SRT takes."""
_HOST_AND_PORT = re.compile(r"(?:\[[^\[\]@/]*\]|[^\[\]:@/#\s]*):\d{1,5}/?")
_PIECE = 1316
"""Bytes that are sent at once: seven packets of MPEG-TS, what fits into one of SRT."""
_LONGEST_LISTENING_US = 5_000_000
"""After which a program that nobody connects to ends, should what started it have been killed."""
_ASKED_S = 10.0


@dataclass(frozen=True, slots=True)
class SendingCommand:
    """How a program is called that sends what comes on its standard input."""

    arguments: tuple[str, ...]
    """With the place of the preset file, if there is one, as `{preset}`."""
    preset: bytes = field(repr=False)
    """Content of the preset file that holds what nobody may see; empty for none."""
    secrets: tuple[str, ...] = field(repr=False)
    """What may stand in no message."""


@functools.cache
def has_protocol(scheme: str) -> bool:
    """Whether PyAV's own FFmpeg was built with a protocol."""
    try:
        av.open(f"{scheme}://127.0.0.1:0", timeout=0.01).close()
    except av.error.ProtocolNotFoundError:
        return False
    except (FFmpegError, OSError, ValueError):
        pass  # nobody is there
    return True


def sending_program(scheme: str) -> str | None:
    """The program that has to send by a scheme.

    None where PyAV's FFmpeg does so itself, and where there is no such program.
    """
    if scheme not in _SENT_BY_PROGRAM or has_protocol(scheme):
        return None
    return _program_with(scheme)


def hides_secrets(program: str, url: str) -> bool:
    """Whether a program sends to an address without showing the address's secrets.

    FFmpeg 5 reads them from a preset file; newer ones may take them on their command line only.
    """
    return not _split(url)[1] or _heeds_presets(program)


def sending_command(program: str, url: str) -> SendingCommand:
    """How to send a transport stream to an address.

    The stream is handed on as bytes: a program that looked into it would wait for some of it first.

    Args:
        program: as `sending_program` says.
        url: SRT address, credentials and all.

    Raises:
        ValueError: it has no host and port, or holds what SRT cannot take.
    """
    shown, secrets = _split(url)
    hidden = bool(secrets) and _heeds_presets(program)
    told = [part for name, value in secrets.items() for part in (f"-{name}", value)]
    arguments = [
        *(program, "-nostdin", "-loglevel", "error"),
        *("-progress", "pipe:1", "-stats_period", "0.1"),
        *("-f", "data", "-blocksize", str(_PIECE), "-raw_packet_size", str(_PIECE)),
        *("-i", "pipe:0", "-map", "0", "-c", "copy"),
        *(("-fpre", "{preset}") if hidden else told),
        *("-listen_timeout", str(_LONGEST_LISTENING_US), "-flush_packets", "1"),
        *("-f", "data", shown),
    ]
    preset = "".join(f"{name}={value}\n" for name, value in secrets.items()) if hidden else ""
    return SendingCommand(tuple(arguments), os.fsencode(preset), tuple(secrets.values()))


def _split(url: str) -> tuple[str, dict[str, str]]:
    """An SRT address without its secrets, and these as FFmpeg's options."""
    scheme, _, rest = url.partition("://")
    before, _, query = rest.partition("?")
    host = before.rpartition("@")[2]  # SRT knows no user names
    if not _HOST_AND_PORT.fullmatch(host):
        raise ValueError(f"not of the form {scheme}://HOST:PORT")
    secrets: dict[str, str] = {}
    kept = []
    for pair in filter(None, query.split("&")):
        name, _, value = pair.partition("=")
        if name not in _SECRET_OPTIONS:
            if name == _LENGTH_OF_KEYS or redact_url(f"srt://h?{pair}") == f"srt://h?{pair}":
                kept.append(pair)  # of others SRT knows none
        elif value:
            # As FFmpeg reads them from the address.
            plain = value.replace("+", " ") if name == "passphrase" else unquote_plus(value)
            if len(os.fsencode(plain)) > _LONGEST_OPTION or not plain.isprintable():
                raise ValueError(f"SRT takes no such {name}")
            secrets[_SECRET_OPTIONS[name]] = plain
    return f"{scheme}://{host}" + ("?" + "&".join(kept) if kept else ""), secrets


@functools.cache
def _program_with(scheme: str) -> str | None:
    program = shutil.which("ffmpeg") if os.name == "posix" else None
    if program is None:
        return None
    outputs = _answer((program, "-protocols")).partition("Output:")[2].split()
    return program if scheme in outputs else None


@functools.cache
def _heeds_presets(program: str) -> bool:
    """Whether it hands the options of a preset file on to the protocol.

    SRT refuses a passphrase as short as this one before it sends anything.
    """
    command = (
        *(program, "-nostdin", "-loglevel", "error"),
        *("-f", "data", "-i", os.devnull, "-map", "0", "-c", "copy", "-fpre", "/dev/stdin"),
        *("-f", "data", "srt://127.0.0.1:9?connect_timeout=1"),
    )
    return "PASSPHRASE" in _answer(command, b"passphrase=short\n")


def _answer(command: Sequence[str], told: bytes = b"") -> str:
    """What a program prints; empty where it cannot be run, or does not end."""
    try:
        result = subprocess.run(
            command,
            input=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_ASKED_S,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.decode("utf-8", "replace")
