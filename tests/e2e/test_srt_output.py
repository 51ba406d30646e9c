"""Annotated video that a receiver of SRT takes, whoever of FFmpeg sends it."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import psutil
import pytest

import streamfer
from streamfer.media.video.sending_program import has_protocol, hides_secrets, sending_program
from tests.e2e.test_network_output import opened, send, talk
from tests.support.children import Children
from tests.support.clips import read_number
from tests.support.clock_pattern import encode_access_units
from tests.support.clock_pattern import read_number as read_clock
from tests.support.delays import delays_s
from tests.support.rtsp_server import Mount, RtspServer, free_port
from tests.support.srt_receiver import NEEDS_SRT, SrtReceiver

pytestmark = NEEDS_SRT
SECRET = "&passphrase=hunter2hunter2&streamid=%23!::u=me,s=hunter2"
BY_PROGRAM = pytest.mark.skipif(has_protocol("srt"), reason="PyAV has SRT here")


def shows_secrets(url: str) -> bool:
    """Whether a program that sends there now has the secrets on its command line."""
    program = sending_program("srt")
    children = [" ".join(child.cmdline()) for child in psutil.Process().children()]
    senders = [line for line in children if "mode=caller" in line]
    assert len(senders) == (program is not None)
    known = program is not None and not hides_secrets(program, url)  # which a warning says
    return any("hunter2" in line for line in senders) and not known


def numbers(receiver: SrtReceiver) -> list[int]:
    return [read_number(picture) for _, picture in receiver.pictures()]


@pytest.mark.parametrize("secret", ["", SECRET])
def test_a_receiver_takes_it_and_again_after_it_was_away(
    secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    children = Children()
    port = free_port()
    with caplog.at_level(logging.DEBUG), SrtReceiver(port, secret) as receiver:
        url = f"srt://127.0.0.1:{port}?mode=caller{secret}"
        video = opened(url)
        try:
            number = send(video, lambda: receiver.count() >= 20)
            first = numbers(receiver)
            assert not shows_secrets(url)
            receiver.stop()
            number = send(video, lambda: video._complained, number)
            receiver.start()
            number = send(video, lambda: receiver.count() >= 20, number)
        finally:
            video.close()
        receiver.wait()
    assert video.connections == 2
    assert children.now() == []
    second = numbers(receiver)
    for received in (first, second):
        assert len(received) >= 20
        assert all(1 <= step < 128 for step in np.diff(received) % 256)  # in order, none twice
    assert caplog.text.count("trying again") == 1
    assert "hunter2" not in caplog.text


def test_a_receiver_that_is_away_is_said_once_and_holds_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    children = Children()
    video = opened(f"srt://127.0.0.1:{free_port()}?connect_timeout=100{SECRET}")
    try:
        send(video, lambda: video._complained)
        assert len(video._pictures) <= 2
    finally:
        video.close()
    assert video.connections == 0
    assert children.now() == []
    assert caplog.text.count("trying again") == 1
    assert "hunter2" not in caplog.text


def test_a_receiver_with_another_passphrase_refuses_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    port = free_port()
    with SrtReceiver(port, "&passphrase=another-one"):
        video = opened(f"srt://127.0.0.1:{port}?passphrase=hunter2hunter2")
        try:
            send(video, lambda: video._complained)
        finally:
            video.close()
    assert video.connections == 0
    assert "hunter2" not in caplog.text


def test_a_receiver_takes_its_sound(tmp_path: Path) -> None:
    audio = talk(tmp_path, "aac")
    port, path = free_port(), tmp_path / "received.ts"
    with SrtReceiver(port) as receiver:
        video = opened(f"srt://127.0.0.1:{port}", audio)
        try:
            send(video, lambda: receiver.count() >= 30)
        finally:
            video.close()
        receiver.wait()
        path.write_bytes(receiver.stream())
    with av.open(str(path)) as container:
        heard = [packet for packet in container.demux(audio=0) if packet.size]
        assert len(heard) > 20
        assert container.streams.audio[0].codec_context.name == "aac"


@BY_PROGRAM
def test_the_program_ends_with_a_run_that_is_killed() -> None:
    """The receiver hears of the end, because the program says goodbye."""
    port = free_port()
    code = (
        "import sys; from tests.e2e.test_network_output import opened, send\n"
        f"send(opened('srt://127.0.0.1:{port}'), lambda: False)"
    )
    with SrtReceiver(port) as receiver, subprocess.Popen([sys.executable, "-c", code]) as run:
        try:
            receiver.wait_for(5)
            [program] = psutil.Process(run.pid).children()
        finally:
            run.kill()
        receiver.wait()
        program.wait(60)


@pytest.mark.slow
def test_delay_from_a_camera_through_the_analysis_to_a_receiver(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Prints the delay, from the camera's sending of a picture to the receiver's program giving out
    the last byte of the annotated one, which SRT keeps back for 120 ms by default:
    `pytest -m slow -s tests/e2e/test_srt_output.py` on an idle machine."""
    cycle, frames = 300, 450
    media = encode_access_units(tmp_path / "clock", count=cycle)
    log, port = tmp_path / "sent", free_port()
    with RtspServer(Mount("/cam", media, send_log=log)) as server, SrtReceiver(port) as receiver:
        with streamfer.Session(refine=False) as session:
            session.run(server.url("/cam"), output=f"srt://127.0.0.1:{port}", max_frames=frames)
        receiver.wait()
        arrivals = [(at, read_clock(picture)) for at, picture in receiver.pictures()]
    delays = delays_s(log, cycle, arrivals)
    p50, p95, worst = (np.percentile(delays, share) * 1000 for share in (50, 95, 100))
    with capsys.disabled():
        print(f"\n{len(delays)} pictures: p50 {p50:.0f}, p95 {p95:.0f}, worst {worst:.0f} ms")
    assert len(delays) >= frames // 2
