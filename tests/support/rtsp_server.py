"""A real RTSP server for tests: GStreamer's, in a process that can be killed and paused."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import pytest

SYSTEM_PYTHON = "/usr/bin/python3"
_PROBE = (
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
)


@cache
def _installed() -> bool:
    try:
        return subprocess.run([SYSTEM_PYTHON, "-c", _PROBE], capture_output=True).returncode == 0
    except OSError:
        return False


def require_rtsp_server() -> None:
    """Skips the test where the server's packages are missing."""
    if not _installed():
        pytest.skip("no RTSP server: install python3-gi and gir1.2-gst-rtsp-server-1.0")


def free_port() -> int:
    """A TCP port of the loopback interface that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Mount:
    """One stream of the server."""

    path: str
    media: Path
    """A file of `encode_access_units`."""
    rate: int = 15
    send_log: Path | None = None
    """Where the server notes `number seconds` (monotonic clock) of every picture it sends."""


class GstServer:
    """A server of GStreamer's in a process of its own, on a port that stays.

    Args:
        child: the program.
        settings: for it, besides the port.
    """

    def __init__(self, child: str, settings: dict[str, object]) -> None:
        require_rtsp_server()
        self.port = free_port()
        self._command = [SYSTEM_PYTHON, str(Path(__file__).with_name(child))]
        self._settings = {"port": self.port, **settings}
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it, and waits until it listens."""
        self._process = subprocess.Popen(
            [*self._command, json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n", "the RTSP server did not start"

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


class RtspServer(GstServer):
    """The server on a fixed port of its own, so that it comes back where it was.

    Args:
        mounts: what it plays.
        users: passwords by user name; none asks for none.
        digest: asks for digest instead of basic authentication.
        certificate: PEM files of certificate and key; then it talks TLS.
    """

    def __init__(
        self,
        *mounts: Mount,
        users: dict[str, str] | None = None,
        digest: bool = False,
        certificate: tuple[Path, Path] | None = None,
    ) -> None:
        settings: dict[str, object] = {
            "users": users or {},
            "digest": digest,
            "certificate": [str(path) for path in certificate] if certificate else None,
            "mounts": [
                {
                    "path": mount.path,
                    "media": str(mount.media),
                    "rate": mount.rate,
                    "send_log": str(mount.send_log) if mount.send_log else None,
                }
                for mount in mounts
            ],
        }
        super().__init__("gst_rtsp_child.py", settings)

    def url(self, path: str, user_info: str = "", scheme: str = "rtsp") -> str:
        """The URL of a mount point."""
        return f"{scheme}://{user_info}127.0.0.1:{self.port}{path}"

    def pause(self) -> None:
        """Stops it in its tracks; its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on after `pause`."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
