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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, TypeVar

import cv2

_TIMEOUT_S = 2.0
"""For a display forwarded from far away; a local one answers in milliseconds."""
_COOKIE = b"MIT-MAGIC-COOKIE-1"
T = TypeVar("T")
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
    return _greet_x_server(environment, lambda answer: True) or False


def screen_size_wh(environment: Mapping[str, str] = os.environ) -> tuple[int, int] | None:
    """Width and height of the X server's first screen in px; None where there is no X server.

    Args:
        environment: as of `display_available`.
    """
    return _greet_x_server(environment, _first_screen_wh)


def _greet_x_server(environment: Mapping[str, str], read: Callable[[BinaryIO], T]) -> T | None:
    """What an X server that lets us in says of itself, as `read` takes it from behind the first
    byte; None where there is none."""
    match = re.fullmatch(r"(?:unix|(.*?)):(\d+)(?:\.\d+)?", environment.get("DISPLAY", ""))
    if match is None:
        return None
    host, number = match[1] or "", int(match[2])
    cookies = _cookies(environment, number)
    answers = (_answer(host, number, cookie, read) for cookie in (*cookies, b""))
    return next((answer for answer in answers if answer is not None), None)


def _answer(host: str, number: int, cookie: bytes, read: Callable[[BinaryIO], T]) -> T | None:
    """The X server's answer to a client with this cookie (X11 protocol, connection setup)."""
    name = _COOKIE if cookie else b""
    greeting = struct.pack("<BxHHHHxx", ord("l"), 11, 0, len(name), len(cookie))
    greeting += b"".join(field + bytes(-len(field) % 4) for field in (name, cookie))
    try:
        with _connect(host, number) as connection, connection.makefile("rb") as answer:
            connection.sendall(greeting)
            return read(answer) if answer.read(1) == bytes([_ACCEPTED]) else None
    except (OSError, struct.error):
        return None


def _first_screen_wh(answer: BinaryIO) -> tuple[int, int]:
    (length,) = struct.unpack("<5xH", answer.read(7))
    setup = answer.read(4 * length)
    vendor_length, formats = struct.unpack_from("<16xH3xB", setup)
    first_screen = 32 + vendor_length + -vendor_length % 4 + 8 * formats
    width, height = struct.unpack_from("<20xHH", setup, first_screen)
    return width, height


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
