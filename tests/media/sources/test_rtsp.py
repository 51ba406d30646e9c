"""Live sources on a real RTSP server."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamfer.errors import SourceError
from streamfer.media.sources.endpoint import LiveConfig, network_endpoint
from streamfer.media.sources.live import LiveSource
from streamfer.media.sources.source import PendingFrame
from tests.support.certificate import make_certificate
from tests.support.clock_pattern import encode_access_units, read_number
from tests.support.live import Recorder
from tests.support.rtsp_server import Mount, RtspServer, require_rtsp_server

COUNT = 60


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_rtsp_server()
    path = tmp_path_factory.mktemp("rtsp") / "clip.au"
    return encode_access_units(path, sizes=((320, 192),), count=COUNT)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("tls"))


def live_source(url: str, recorder: Recorder, **settings: object) -> LiveSource:
    config = LiveConfig(**settings)
    return LiveSource("cam", network_endpoint(url, config), recorder.callbacks(), config)


def take(frames: Iterator[PendingFrame], count: int) -> list[PendingFrame]:
    return [next(frames) for _ in range(count)]


def numbers(frames: list[PendingFrame]) -> list[int | None]:
    return [read_number(frame.picture.to_rgb()) for frame in frames]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_picture_arrives_in_order(clip: Path, transport: str) -> None:
    recorder = Recorder()
    with RtspServer(Mount("/live", clip)) as server:
        source = live_source(server.url("/live"), recorder, rtsp_transport=transport)
        stream = source.frames()
        frames = take(stream, 12)
        stream.close()
    seen = numbers(frames)
    assert None not in seen
    assert [(b - a) % COUNT for a, b in itertools.pairwise(seen)] == [1] * 11
    times = [frame.time_s for frame in frames]
    assert times[0] == 0.0
    assert times == sorted(set(times))
    assert recorder.events_once_open()[0].details["width"] == 320
    assert recorder.states_once_tried() == ["connecting", "live"]


def test_another_client_finds_the_server_sound(clip: Path) -> None:
    if shutil.which("gst-launch-1.0") is None:
        pytest.skip("no other client: install gstreamer1.0-tools")
    with RtspServer(Mount("/live", clip)) as server:
        launch = f"rtspsrc location={server.url('/live')} protocols=tcp latency=0"
        launch += " ! rtph264depay ! h264parse ! identity eos-after=8 ! fakesink"
        assert any(_gstreamer_plays(launch) for _ in range(3))


def _gstreamer_plays(launch: str) -> bool:
    """Whether GStreamer's client gets to the end; on a busy machine it now and then hangs."""
    try:
        done = subprocess.run(["gst-launch-1.0", "-q", *launch.split()], timeout=20)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@pytest.mark.parametrize("digest", [False, True])
def test_user_names_and_passwords(clip: Path, digest: bool) -> None:
    with RtspServer(Mount("/live", clip), users={"u": "hunt@er/2"}, digest=digest) as server:
        right = live_source(server.url("/live", "u:hunt%40er%2F2@"), Recorder())
        stream = right.frames()
        assert numbers(take(stream, 1)) != [None]
        stream.close()
        wrong = live_source(server.url("/live", "u:hunter3@"), Recorder(), max_reconnects=0)
        with pytest.raises(SourceError, match=r"refuses the user name and password") as caught:
            next(wrong.frames())
    assert "hunter3" not in str(caught.value)


def test_a_wrong_path_is_told_as_such(clip: Path) -> None:
    with RtspServer(Mount("/live", clip)) as server:
        source = live_source(server.url("/nope"), Recorder(), max_reconnects=0)
        with pytest.raises(SourceError, match="no such stream"):
            next(source.frames())


def test_certificates_are_verified(clip: Path, certificate: tuple[Path, Path]) -> None:
    with RtspServer(Mount("/live", clip), certificate=certificate) as server:
        url = server.url("/live", scheme="rtsps")
        with pytest.raises(SourceError, match="certificate"):
            next(live_source(url, Recorder(), max_reconnects=0).frames())
        for settings in ({"tls_ca": certificate[0]}, {"tls_verify": False}):
            stream = live_source(url, Recorder(), max_reconnects=0, **settings).frames()
            assert numbers(take(stream, 1)) != [None]
            stream.close()


def test_a_killed_server_is_found_again(clip: Path) -> None:
    recorder = Recorder()
    with RtspServer(Mount("/live", clip)) as server:
        stream = live_source(server.url("/live"), recorder).frames()
        frames = take(stream, 3)
        for _ in range(2):
            server.kill()
            server.start()
            frames += take(stream, 20)
        stream.close()
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))
    assert [frame.index for frame in frames] == list(range(43))
    kinds = [event.event for event in recorder.events_once_open()]
    assert kinds == ["opened", *["disconnected", "reconnected"] * 2]


def test_a_paused_server_is_a_stall_and_then_found_again(clip: Path) -> None:
    recorder = Recorder()
    with RtspServer(Mount("/live", clip)) as server:
        source = live_source(server.url("/live"), recorder, read_timeout_s=0.5, open_timeout_s=1.0)
        stalls = 0

        def resume_after_the_stall() -> None:
            nonlocal stalls
            stalls += "stalled" in recorder.state_names()
            server.resume()

        stream = source.frames()
        take(stream, 3)
        # A busy machine may have needed a second try to connect.
        before = len(recorder.state_names())
        server.pause()
        recorder.on_state_change = resume_after_the_stall
        take(stream, 20)
        stream.close()
    assert stalls
    since = recorder.state_names()[before:]
    assert since[:2] == ["stalled", "reconnecting"]
    assert since[-1] == "live"


def test_a_change_of_resolution_is_followed(tmp_path: Path) -> None:
    require_rtsp_server()
    clip = tmp_path / "sizes.au"
    encode_access_units(clip, sizes=((320, 192), (160, 96)), count=8)
    recorder = Recorder()
    with RtspServer(Mount("/live", clip)) as server:
        stream = live_source(server.url("/live"), recorder).frames()
        frames = take(stream, 30)
        stream.close()
    sizes = {frame.segment: frame.picture.to_rgb().shape for frame in frames}
    assert set(sizes.values()) == {(192, 320, 3), (96, 160, 3)}
    kinds = [event.event for event in recorder.events_once_open()]
    assert kinds[:2] == ["opened", "changed"]
    assert "disconnected" not in kinds
