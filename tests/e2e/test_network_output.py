"""Annotated video that real servers take."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

import streamfer
from streamfer.media.video.audio import AudioSpan
from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.network import NetworkVideo, network_address
from streamfer.types import Frame
from tests.support.clips import ClipSpec, make_clip, numbered_picture, read_number
from tests.support.clock_pattern import encode_access_units
from tests.support.clock_pattern import read_number as read_clock
from tests.support.delays import delays_s
from tests.support.rtsp_recorder import RtspRecorder
from tests.support.rtsp_server import Mount, RtspServer, free_port
from tests.support.written import audio_packets

RATE = Fraction(25)
SIZE = (96, 64)
NEEDS_FFMPEG = pytest.mark.skipif(
    shutil.which("ffmpeg") is None, reason="the program ffmpeg is not installed"
)


def send(video: NetworkVideo, until: Callable[[], bool], first: int = 0) -> int:
    """Sends numbered pictures, each when the one before is under way, until something is so."""
    number = first
    while not until():
        assert number < first + 3000
        picture = numbered_picture(number % 256, SIZE)
        frame = Frame("cam", number, number, 1 / RATE, number / 25, 0.0, picture)
        video.write(frame, picture)
        with video._changed:
            video._changed.wait_for(lambda: not video._pictures, 1.0)
        video._closing.wait(0.02)  # at a camera's pace
        number += 1
    return number


def opened(url: str, audio: AudioSpan | None = None) -> NetworkVideo:
    address = network_address(url)
    assert address is not None
    return NetworkVideo(address, VideoConfig(), RATE, audio)


def talk(folder: Path, audio: str) -> AudioSpan:
    return AudioSpan(make_clip(folder / "talk.mkv", ClipSpec(frames=500, audio=audio)))


def test_an_rtsp_server_takes_it_and_again_after_it_was_away(tmp_path: Path) -> None:
    recorder = RtspRecorder(tmp_path / "received")
    with recorder:
        video = opened(recorder.url)
        try:
            number = send(video, lambda: len(recorder.received()) >= 20)
            recorder.kill()
            number = send(video, lambda: video._complained, number)
            recorder.start()
            before = len(recorder.received())
            number = send(video, lambda: len(recorder.received()) >= before + 20, number)
        finally:
            video.close()
        assert video.connections == 2
        numbers = [read_number(picture) for _, picture in recorder.pictures()]
    steps = np.diff(numbers) % 256
    assert len(numbers) >= 40
    assert all(1 <= step < 128 for step in steps)  # in order, none twice


@NEEDS_FFMPEG
def test_an_rtmp_server_takes_it(tmp_path: Path) -> None:
    url, path = f"rtmp://127.0.0.1:{free_port()}/app/cam", tmp_path / "received.mkv"
    listen = ["ffmpeg", "-v", "error", "-listen", "1", "-i", url, "-frames:v", "20", "-c", "copy"]
    with subprocess.Popen([*listen, str(path)], stdin=subprocess.DEVNULL) as server:
        video = opened(url)
        try:
            send(video, lambda: server.poll() is not None)
        finally:
            video.close()
            server.kill()
    with av.open(str(path)) as container:
        pictures = [p.to_ndarray(format="rgb24") for p in container.decode(video=0)]
    numbers = [read_number(picture) for picture in pictures]
    assert len(numbers) >= 20
    assert all(1 <= step < 128 for step in np.diff(numbers) % 256)


def test_an_rtsp_server_takes_its_sound(tmp_path: Path) -> None:
    audio = talk(tmp_path, "aac")
    recorder = RtspRecorder(tmp_path / "received", sound=True)
    with recorder:
        video = opened(recorder.url, audio)
        try:
            send(video, lambda: sum(not unit.is_video for unit in recorder.received()) >= 30)
        finally:
            video.close()
        units = recorder.received()
    heard = [unit.content for unit in units if not unit.is_video]
    original = [content for _, content in audio_packets(audio.path)]
    assert len(heard) >= 30
    first = original.index(heard[0])
    assert heard == original[first : first + len(heard)]
    assert sum(unit.is_video for unit in units) >= 10


@NEEDS_FFMPEG
@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_an_rtmp_server_takes_its_sound_in_step(tmp_path: Path, codec: str) -> None:
    audio = talk(tmp_path, codec)
    url, path = f"rtmp://127.0.0.1:{free_port()}/app/cam", tmp_path / "received.mkv"
    listen = ["ffmpeg", "-v", "error", "-listen", "1", "-i", url, "-t", "1.5", "-c", "copy"]
    with subprocess.Popen([*listen, str(path)], stdin=subprocess.DEVNULL) as server:
        video = opened(url, audio)
        try:
            send(video, lambda: server.poll() is not None)
        finally:
            video.close()
            server.kill()
    with av.open(str(path)) as container:
        first = next(container.decode(video=0))
    number = read_number(first.to_ndarray(format="rgb24"))
    moved_s = number / 25 - float(first.pts * first.time_base)
    heard = audio_packets(path)
    assert len(heard) > 20
    if codec == "aac":
        sent = {content: float(time_s) for time_s, content in audio_packets(audio.path)}
        for time_s, content in heard[2:]:
            assert float(time_s) + moved_s == pytest.approx(sent[content], abs=0.02)
    else:
        with av.open(str(path)) as container:
            assert container.streams.audio[0].codec_context.name == "aac"


@pytest.mark.slow
def test_delay_from_a_camera_through_the_analysis_to_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints the delay, from the camera's sending of a picture to the server's receiving of the
    annotated one: `pytest -m slow -s tests/e2e/test_network_output.py` on an idle machine."""
    cycle, frames = 300, 450
    media = encode_access_units(tmp_path / "clock", count=cycle)
    log = tmp_path / "sent"
    recorder = RtspRecorder(tmp_path / "received")
    with RtspServer(Mount("/cam", media, send_log=log)) as server, recorder:
        with streamfer.Session(refine=False) as session:
            session.run(server.url("/cam"), output=recorder.url, max_frames=frames)
        arrivals = [(at, read_clock(picture)) for at, picture in recorder.pictures()]
    delays = delays_s(log, cycle, arrivals)
    p50, p95, worst = (np.percentile(delays, share) * 1000 for share in (50, 95, 100))
    with capsys.disabled():
        print(f"\n{len(delays)} pictures: p50 {p50:.0f}, p95 {p95:.0f}, worst {worst:.0f} ms")
    assert len(delays) >= frames // 2
