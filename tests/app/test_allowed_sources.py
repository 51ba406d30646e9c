from __future__ import annotations

import pytest

from streamfer.app.allowed_sources import allowed_sources
from streamfer.errors import ConfigError

LISTED = "cam.example.org, *.cams.local,10.1.0.0/16,fd00::/8"


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://cam.example.org/1",
        "rtsp://user:secret@CAM.example.org:8554/1?x=@evil",
        "https://gate.cams.local/video.mjpg",
        "http://10.1.200.3/video",
        "rtsp://[fd00::7]/1",
        "rtsp://[::ffff:10.1.0.1]/1",
        "rtsp://known.example.net/2",
        "demo:",
    ],
)
def test_listed_hosts_and_those_of_the_run_are_allowed(source: str) -> None:
    assert allowed_sources(LISTED, ["rtsp://a:b@known.example.net/1", "talk.mp4"]).allow(source)


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://127.0.0.1/1",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://localhost/",
        "http://2130706433/",
        "http://127.1/",
        "http://0x7f.0.0.1/",
        "http://evil/#@cam.example.org",
        "http://evil?@cam.example.org/",
        "http://cam.example.org@evil/",
        "http://evil\\@cam.example.org/",
        "http://cam.exam\tple.org/",
        "http://cam.example.org\r\nHost: evil/",
        "http://cam.example.org.evil/",
        "http://cam.example.org%2eevil/",
        "http://xcam.example.org/",
        "http://cams.local/",
        "http://\u24d2am.example.org/",
        "http://10.2.0.1/",
        "http://[fe80::1%25eth0]/",
        "http://*/",
        "udp://:5000",
        "srt://:5000?mode=listener",
        "udp://@239.0.0.1:5000",
        "0",
        "camera:0",
        "/dev/video0",
        "screen:",
        "lavfi:movie=/etc/passwd",
        "/etc/hostname",
        "-",
        ".",
    ],
)
def test_everything_else_is_not(source: str) -> None:
    assert not allowed_sources(LISTED).allow(source)


def test_without_a_list_only_what_the_run_has_already() -> None:
    allowed = allowed_sources(None, ["rtsp://10.0.0.7/1"])
    assert allowed.allow("rtsp://10.0.0.7:8554/2")
    assert not allowed.allow("rtsp://10.0.0.8/1")
    assert not allowed.allow("0")


def test_cameras_of_this_machine_are_allowed_where_they_are_named() -> None:
    assert allowed_sources("camera:").allow("0")


@pytest.mark.parametrize("entries", ["", "a,,b", "http://cam/", "10.0.0.0/99", "a b", "cam:554"])
def test_lists_that_are_none_are_refused(entries: str) -> None:
    with pytest.raises(ConfigError, match="--web-sources"):
        allowed_sources(entries)
