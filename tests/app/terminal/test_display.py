from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from streamfer.app.terminal.display import display_available, screen_size_wh
from tests.support.xvfb import virtual_display

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="X11 is asked on Linux only")

COOKIE = bytes(range(16))


@contextmanager
def x_server(secret: bytes, answers: int) -> Iterator[str]:
    """Speaks the first byte of X11 over TCP to clients that hold the secret."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(20)

        def serve() -> None:
            for _ in range(answers):
                connection, _ = listener.accept()
                with connection:
                    greeting = connection.recv(4096)
                    allowed = greeting.endswith(secret) and greeting[:1] == b"l"
                    connection.sendall(bytes([1 if allowed else 0]))

        served = pool.submit(serve)
        yield f"127.0.0.1:{listener.getsockname()[1] - 6000}"
        served.result()


def authority(path: Path, *entries: tuple[str, bytes]) -> str:
    content = b""
    for number, cookie in entries:
        content += struct.pack(">H", 256)
        for part in (b"host", number.encode(), b"MIT-MAGIC-COOKIE-1", cookie):
            content += struct.pack(">H", len(part)) + part
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize(
    "display", ["", "nonsense", ":", ":x", ":65001", "127.0.0.1:1", "::::", ":1; rm"]
)
def test_no_display(display: str) -> None:
    assert not display_available({"DISPLAY": display})


def test_display_is_not_set() -> None:
    assert not display_available({})


def test_a_build_of_opencv_without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GUI:                   NONE\n")
    with x_server(b"", 0) as display:
        assert not display_available({"DISPLAY": display})


def test_the_cookie_opens_the_display(tmp_path: Path) -> None:
    with x_server(COOKIE, 2) as display:
        number = display.partition(":")[2]
        path = authority(tmp_path / "auth", ("1", b"x" * 16), (number, b"y" * 16), ("", COOKIE))
        assert display_available({"DISPLAY": display, "XAUTHORITY": path})


def test_a_display_that_refuses_us_is_none(tmp_path: Path) -> None:
    path = authority(tmp_path / "auth", ("", b"wrong cookie 16b"))
    with x_server(COOKIE, 2) as display:
        assert not display_available({"DISPLAY": display, "XAUTHORITY": path})


@pytest.mark.parametrize("content", [b"", b"\x01", b"\x01\x00\xff\xff", b"\x01\x00\x00\x01a\x00"])
def test_a_damaged_authority_file_is_no_authority(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".Xauthority").write_bytes(content)
    with x_server(b"", 1) as display:
        assert display_available({"DISPLAY": display, "HOME": str(tmp_path)})


def test_a_real_server() -> None:
    with virtual_display(320, 240) as display:
        assert screen_size_wh({"DISPLAY": display}) == (320, 240)
        assert display_available({"DISPLAY": display})
    assert not display_available({"DISPLAY": display})
