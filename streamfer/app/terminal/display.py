"""Whether there is a display, asked in a way that cannot end the process.

OpenCV's window toolkit aborts the whole program where it cannot reach the display it is told of,
so the X server is greeted first, as its client library would.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2

_TIMEOUT_S = 2.0
"""For a display forwarded from far away; a local one answers in milliseconds."""
_COOKIE = b"MIT-MAGIC-COOKIE-1"
_ACCEPTED = 1
"""First byte of the server's answer to a client that it lets in."""


def display_available(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a window can be opened here.

    Args:
        environment: where `DISPLAY` and `XAUTHORITY` are looked up.
    """
    if re.search(r"GUI:\s+NONE", cv2.getBuildInformation()):
        return False
    if sys.platform in ("darwin", "win32"):
        return True
    match = re.fullmatch(r"(?:unix|(.*?)):(\d+)(?:\.\d+)?", environment.get("DISPLAY", ""))
    if match is None:
        return False
    host, number = match[1] or "", int(match[2])
    cookies = _cookies(environment, number)
    return any(_accepts(host, number, cookie) for cookie in (*cookies, b""))


def _accepts(host: str, number: int, cookie: bytes) -> bool:
    """Whether the X server lets a client with this cookie in (X11 protocol, connection setup)."""
    name = _COOKIE if cookie else b""
    greeting = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
    greeting += b"".join(field + bytes(-len(field) % 4) for field in (name, cookie))
    try:
        with _connect(host, number) as connection:
            connection.sendall(greeting)
            return connection.recv(1) == bytes([_ACCEPTED])
    except OSError:
        return False


def _connect(host: str, number: int) -> socket.socket:
    if host:
        return socket.create_connection((host, 6000 + number), timeout=_TIMEOUT_S)
    path = f"/tmp/.X11-unix/X{number}"
    # Linux servers also listen in the abstract name space, which needs no folder.
    for address in (f"\0{path}", path):
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT_S)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
        else:
            return connection
    raise ConnectionRefusedError(path)


def _cookies(environment: Mapping[str, str], number: int) -> list[bytes]:
    """The cookies that the user holds for a display, without repetition."""
    path = environment.get("XAUTHORITY") or Path(environment.get("HOME", "/")) / ".Xauthority"
    try:
        content = Path(path).read_bytes()
    except OSError:
        return []
    wanted = str(number).encode()
    found = [
        cookie
        for display, name, cookie in _authority_entries(content)
        if name == _COOKIE and display in (b"", wanted)
    ]
    return list(dict.fromkeys(found))


def _authority_entries(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Display number, method and secret of every entry of an Xauthority file."""
    position = 0
    while position + 2 <= len(content):
        position += 2  # the address family
        fields = []
        for _ in range(4):  # address, display number, method, secret
            if position + 2 > len(content):
                return
            (length,) = struct.unpack_from(">H", content, position)
            fields.append(content[position + 2 : position + 2 + length])
            position += 2 + length
        yield fields[1], fields[2], fields[3]
