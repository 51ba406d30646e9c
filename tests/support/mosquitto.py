"""A real MQTT broker on the loopback interface."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path

import pytest


def find_mosquitto() -> str:
    """Where it is; skips the test where there is none."""
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if found is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    return found


class Mosquitto:
    """A broker with a password for `me` that can be killed and started again on its port.

    Args:
        folder: where its files are.
        password: of the user `me`.
        certificate: PEM files of a certificate and its key, for TLS; None for none.
    """

    def __init__(
        self, folder: Path, password: str, certificate: tuple[Path, Path] | None = None
    ) -> None:
        self._binary = find_mosquitto()
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        passwords = folder / "passwords"
        command = ["mosquitto_passwd", "-b", "-c", str(passwords), "me", password]
        subprocess.run(command, check=True, capture_output=True)
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"password_file {passwords}",
            "allow_anonymous false",
            "persistence true",  # what it has acknowledged must outlive it
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
            "user root",
        ]
        if certificate is not None:
            lines += [f"certfile {certificate[0]}", f"keyfile {certificate[1]}"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it and waits until it listens."""
        self._process = subprocess.Popen(
            [self._binary, "-c", str(self._config)], stderr=subprocess.PIPE, text=True
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if "running" in line:
                return
        raise AssertionError("mosquitto does not start")

    def kill(self) -> None:
        """Ends it without a chance to say goodbye."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None
