"""Live sources on MPEG transport streams over UDP."""

from __future__ import annotations

import itertools
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.endpoint import LiveConfig, network_endpoint
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.live_sound import LiveSound
from tests.support.clock_pattern import encode_access_units, read_number
from tests.support.live import Recorder
from tests.support.sound_sender import SoundSender
from tests.support.udp_sender import UdpSender

RATE = 25


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("udp") / "clip.au"
    return encode_access_units(path, sizes=((320, 192),), count=60, rate=RATE, gop=5)


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def live_source(port: int, recorder: Recorder, **settings: float) -> LiveSource:
    config = LiveConfig(max_reconnects=0, **settings)
    endpoint = network_endpoint(f"udp://127.0.0.1:{port}", config)
    return LiveSource("cam", endpoint, recorder.callbacks(), config)


def test_a_transport_stream_is_joined_in_the_middle(port: int, media: Path) -> None:
    with UdpSender(port, media, RATE):
        stream = live_source(port, Recorder()).frames()
        frames = [next(stream) for _ in range(12)]
        stream.close()
    numbers = [read_number(frame.picture.to_rgb()) for frame in frames]
    assert None not in numbers
    assert [(b - a) % 60 for a, b in itertools.pairwise(numbers)] == [1] * 11


def test_corrupt_packets_do_not_end_the_stream(port: int, media: Path) -> None:
    recorder = Recorder()
    noise = [b"\x47" + bytes(range(187)), b"\x00" * 1316, b"\x47\x41\x00\x15" + b"\xa5" * 184]
    with UdpSender(port, media, RATE), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
        stream = live_source(port, recorder).frames()
        frames = []
        for _ in range(30):
            frames.append(next(stream))
            for packet in noise:
                attacker.sendto(packet, ("127.0.0.1", port))
        stream.close()
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))
    assert "disconnected" not in recorder.event_kinds()


@pytest.mark.parametrize("jump_s", [3600.0, -5.0])
def test_a_jump_of_the_senders_clock_is_noted_and_nothing_else(
    port: int, media: Path, jump_s: float
) -> None:
    recorder = Recorder()
    with UdpSender(port, media, RATE) as sender:
        stream = live_source(port, recorder).frames()
        frames = [next(stream) for _ in range(5)]
        sender.jump(jump_s)
        frames += [next(stream) for _ in range(10)]
        stream.close()
    times = [frame.time_s for frame in frames]
    assert all(0 < b - a < 1 for a, b in itertools.pairwise(times))
    assert recorder.event_kinds() == ["opened", "changed"]
    assert recorder.events[1].details["clock_jump_s"] == pytest.approx(jump_s, abs=1)


def test_an_address_where_nothing_arrives_is_given_up(port: int) -> None:
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        next(live_source(port, Recorder(), open_timeout_s=0.2).frames())


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kept", [None, LiveSound()], ids=["sound dropped", "sound kept"])
def test_a_camera_whose_picture_ends_is_given_up_though_its_sound_goes_on(
    port: int, kept: LiveSound | None
) -> None:
    config = LiveConfig(max_reconnects=0, read_timeout_s=1.0)
    endpoint = replace(network_endpoint(f"udp://127.0.0.1:{port}", config), sound=kept)
    recorder = Recorder()
    with SoundSender(port):
        frames = LiveSource("cam", endpoint, recorder.callbacks(), config).frames()
        assert len(list(itertools.islice(frames, 10))) == 10
        with pytest.raises(SourceError, match="no data for 1 s"):
            list(frames)
    assert ("stalled", "no data for 1 s") in recorder.states
