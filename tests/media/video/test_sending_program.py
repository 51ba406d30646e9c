"""Which program sends what PyAV's FFmpeg cannot, and how it is called."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import pytest

from streamfer.errors import ConfigError
from streamfer.media.video import sending_program as module
from streamfer.media.video.network import check_network_address
from streamfer.media.video.network_connection import NetworkAddress
from streamfer.media.video.sending_program import (
    has_protocol,
    hides_secrets,
    sending_command,
    sending_program,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="the program is used on POSIX systems only")
SECRET = "srt://me:hunter2@host:9000?mode=caller&passphrase=hunter2+hunter2&pbkeylen=32"


@pytest.fixture(autouse=True)
def _asks_anew() -> Iterator[None]:
    asked = (module.has_protocol, module._program_with, module._heeds_presets)
    for question in asked:
        question.cache_clear()
    yield
    for question in asked:
        question.cache_clear()


@pytest.fixture
def pyav_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str, **_: object) -> None:
        raise av.error.ProtocolNotFoundError(1, "Protocol not found", url)

    monkeypatch.setattr(module.av, "open", missing)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, *, presets: bool) -> str:
    """A program in place of `ffmpeg`, which says what FFmpeg with SRT says."""
    program = folder / "ffmpeg"
    refusal = "failed to set option SRTO_PASSPHRASE on socket" if presets else "Input/output error"
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "if '-protocols' in sys.argv:\n"
        "    print('Supported file protocols:\\nInput:\\n  file\\nOutput:\\n  file\\n  srt')\n"
        f"else:\n    print({refusal!r}, file=sys.stderr)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    return str(program)


def test_a_protocol_that_nothing_has_is_said_before_the_run(
    pyav_without: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError) as refusal:
        check_network_address(NetworkAddress("srt://me:hunter2@host:1"))
    assert str(refusal.value) == (
        "--output srt://***@host:1: FFmpeg here was built without srt; install the program ffmpeg"
        " with it, or send by another protocol"
    )
    with pytest.raises(ConfigError, match=r"built without rtmp; send by another protocol"):
        check_network_address(NetworkAddress("rtmp://host:1"))
    check_network_address(NetworkAddress("udp://host:1"))


@POSIX
def test_the_program_sends_only_what_pyav_cannot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = install(tmp_path, monkeypatch, presets=True)
    assert has_protocol("rtmp")
    assert sending_program("rtmp") is None
    assert sending_program("srt") == (None if has_protocol("srt") else program)
    assert module._program_with("sftp") is None


@POSIX
def test_secrets_are_not_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = install(tmp_path, monkeypatch, presets=True)
    command = sending_command(program, SECRET + "&streamid=%23!::u=a,s=hunter2&password=hunter2")
    assert hides_secrets(program, SECRET)
    assert command.arguments[-1] == "srt://host:9000?mode=caller&pbkeylen=32"
    assert "hunter2" not in repr(command)
    assert command.preset == b"passphrase=hunter2 hunter2\nsrt_streamid=#!::u=a,s=hunter2\n"
    assert command.secrets == ("hunter2 hunter2", "#!::u=a,s=hunter2")


@POSIX
def test_where_that_cannot_be_it_is_said_without_them(
    pyav_without: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    program = install(tmp_path, monkeypatch, presets=False)
    command = sending_command(program, SECRET)
    assert command.preset == b""
    assert command.arguments[-1] == "srt://host:9000?mode=caller&pbkeylen=32"
    assert "-passphrase hunter2 hunter2 -" in " ".join(command.arguments)
    with caplog.at_level(logging.WARNING):
        check_network_address(NetworkAddress("srt://host:9000"))
        assert caplog.text == ""
        check_network_address(NetworkAddress(SECRET))
    assert "on its command line only" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("srt://host", "not of the form srt://HOST:PORT"),
        ("srt://me:hunt?er2@host:9000", "not of the form srt://HOST:PORT"),
        ("srt://host:1?streamid=a%0Ab=c", "SRT takes no such streamid"),
        ("srt://host:1?passphrase=" + "x" * 513, "SRT takes no such passphrase"),
    ],
)
def test_what_srt_cannot_take_is_refused(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match="^" + reason + "$"):
        sending_command("ffmpeg", url)


def test_an_address_of_ipv6_and_one_without_a_host_are_taken() -> None:
    for url in ("srt://[::1]:9000?mode=caller", "srt://:9000?mode=listener"):
        assert sending_command("ffmpeg", url).arguments[-1] == url
