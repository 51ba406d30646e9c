from __future__ import annotations

from pathlib import Path

import pytest

from streamfer.errors import ConfigError
from streamfer.media.sources.endpoint import LiveConfig, network_endpoint


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https", "srt", "udp"])
def test_no_network_stream_may_lead_to_local_files(scheme: str) -> None:
    (options,) = network_endpoint(f"{scheme}://host/1", LiveConfig()).variants
    allowed = options["protocol_whitelist"].split(",")
    assert scheme in allowed
    assert not {"file", "pipe", "concat", "data", "subfile"} & set(allowed)


@pytest.mark.parametrize(
    ("url", "settings", "expected"),
    [
        ("rtsp://h/1", {}, {"rtsp_flags": "prefer_tcp", "allowed_media_types": "video"}),
        ("rtsp://h/1", {"rtsp_transport": "udp"}, {"rtsp_transport": "udp"}),
        ("rtsps://h/1", {}, {"tls_verify": "1"}),
        ("https://h/1", {"tls_ca": Path("ca.pem")}, {"tls_verify": "1", "ca_file": "ca.pem"}),
        ("https://h/1", {"tls_verify": False}, {"tls_verify": "0"}),
        ("udp://:5000", {}, {"overrun_nonfatal": "1"}),
    ],
)
def test_ffmpeg_is_asked_for(url: str, settings: dict, expected: dict[str, str]) -> None:
    (options,) = network_endpoint(url, LiveConfig(**settings)).variants
    assert expected.items() <= options.items()


def test_the_password_is_for_ffmpeg_only() -> None:
    endpoint = network_endpoint("RTSP://user:hunter2@host/1", LiveConfig())
    assert endpoint.url == "rtsp://user:hunter2@host/1"
    assert endpoint.label == "RTSP://***@host/1"
    assert "hunter2" not in repr(endpoint)


def test_playlists_are_given_more_time_and_are_paced() -> None:
    playlist = network_endpoint("https://host/live.m3u8", LiveConfig())
    camera = network_endpoint("rtsp://host/1", LiveConfig(read_timeout_s=3.0))
    assert (playlist.paced, camera.paced) == (True, False)
    assert playlist.read_timeout_s > 6 > camera.read_timeout_s == 3.0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "concat:a|b", "ftp://u:hunter2@host/1"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="not a network stream") as caught:
        network_endpoint(url, LiveConfig())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"rtsp_transport": "carrier"}, {"max_reconnects": -1}])
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        LiveConfig(**settings)
