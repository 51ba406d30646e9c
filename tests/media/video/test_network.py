"""Annotated video that is sent over the network."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import pytest

from streamfer.media.video.encoder import VideoConfig
from streamfer.media.video.network import (
    NetworkVideo,
    check_network_address,
    network_address,
)
from streamfer.media.video.network_connection import NetworkAddress
from streamfer.types import Frame
from tests.support.clips import numbered_picture, read_number
from tests.support.srt_receiver import NEEDS_SRT, receiving

RATE = Fraction(25)


def frame(number: int) -> Frame:
    image = numbered_picture(number, (96, 64))
    return Frame("cam", number, number, 1 / RATE, number / 25, 0.0, image)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    ("output", "url", "form"),
    [
        ("rtsp://me:pw@host:8554/cam", "rtsp://me:pw@host:8554/cam", "rtsp"),
        (str(Path("rtmp://host/app/key")), "rtmp://host/app/key", "flv"),
        ("SRT://host:9000?mode=caller", "srt://host:9000?mode=caller", "mpegts"),
        ("udp://host:1", "udp://host:1?pkt_size=1316", "mpegts"),
        ("udp://host:1?ttl=2", "udp://host:1?ttl=2&pkt_size=1316", "mpegts"),
    ],
)
def test_addresses_are_known_even_as_paths(output: str, url: str, form: str) -> None:
    address = network_address(output)
    assert address is not None
    assert (address.url, address.format) == (url, form)
    assert "pw" not in repr(address) + address.label


@pytest.mark.parametrize("output", ["out.mp4", "/tmp/udp/x.mp4", "srt", "http://host/x.mp4"])
def test_files_are_no_addresses(output: str) -> None:
    assert network_address(output) is None


class Reader:
    """Reads numbered pictures from a transport stream, in a thread of its own.

    Args:
        stream: its address, or what holds it.
    """

    def __init__(self, stream: str | IO[bytes]) -> None:
        self.numbers: list[int] = []
        self.enough = threading.Event()
        self._stream = stream
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with av.open(self._stream, format="mpegts", timeout=20.0) as container:
                for picture in container.decode(video=0):
                    self.numbers.append(read_number(picture.to_ndarray(format="rgb24")))
                    if len(self.numbers) == 20:
                        self.enough.set()
                        return
        finally:
            self.enough.set()

    def join(self) -> None:
        self._thread.join()


def check_that_pictures_come_in_order(stream: str | IO[bytes], url: str) -> None:
    address = network_address(url)
    assert address is not None
    check_network_address(address)
    reader = Reader(stream)
    video = NetworkVideo(address, VideoConfig(), RATE)
    try:
        number = 0
        while not reader.enough.wait(0.02) and number < 1000:  # at a camera's pace
            video.write(frame(number % 256), numbered_picture(number % 256, (96, 64)))
            number += 1
    finally:
        video.close()
        reader.join()
    assert len(reader.numbers) == 20
    steps = [(b - a) % 256 for a, b in zip(reader.numbers, reader.numbers[1:], strict=False)]
    assert all(1 <= step < 128 for step in steps)


def test_a_player_of_udp_sees_the_pictures_in_order() -> None:
    url = f"udp://127.0.0.1:{free_port()}"
    check_that_pictures_come_in_order(url, url)


@NEEDS_SRT
@pytest.mark.parametrize(
    ("player_is", "sender_is"),
    [
        ("listener", "caller"),
        ("caller&connect_timeout=60000", "listener"),
        ("listener&passphrase=hunter2 hunter2", "caller&passphrase=hunter2+hunter2&streamid=%23me"),
    ],
)
def test_a_player_of_srt_sees_the_pictures_in_order(player_is: str, sender_is: str) -> None:
    url = f"srt://127.0.0.1:{free_port()}?mode="
    with receiving(url + player_is) as player:
        assert player.stdout is not None
        try:
            check_that_pictures_come_in_order(player.stdout, url + sender_is)
        finally:
            player.kill()


class Server:
    """Stands for `av.open`: refuses, breaks off after some pictures, or writes to a file."""

    def __init__(self, folder: Path, *refusals: int) -> None:
        self.pictures: list[int] = []
        self._folder = folder
        self._script = list(refusals)

    def __call__(self, url: str, mode: str, **options: Any) -> Any:
        left = self._script.pop(0) if self._script else 1000
        if left == 0:
            raise av.error.ConnectionRefusedError(111, "Connection refused", url)
        path = self._folder / f"{len(list(self._folder.iterdir()))}.ts"
        return Breaking(av.open(str(path), mode, format="mpegts"), left)


class Breaking:
    """An output that can be muxed to so many times."""

    def __init__(self, container: Any, left: int) -> None:
        self._container = container
        self._left = left

    def mux(self, packets: Any) -> None:
        if self._left == 0:
            raise av.error.BrokenPipeError(32, "Broken pipe", "rtsp://me:hunter2@host/cam")
        self._left -= 1
        self._container.mux(packets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._container, name)


def sent_one_by_one(video: NetworkVideo, count: int) -> None:
    """Hands pictures over, each when the one before has been taken."""
    for number in range(count):
        video.write(frame(number), numbered_picture(number, (96, 64)))
        with video._changed:
            assert video._changed.wait_for(lambda: not video._pictures, 60)


def test_it_connects_again_after_pauses_that_grow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    def wait(flag: threading.Event, seconds: float) -> bool:
        pauses.append(seconds)
        return flag.is_set()

    server = Server(tmp_path, 0, 0, 0, 3, 0)
    address = NetworkAddress("rtsp://me:hunter2@host/cam")
    with caplog.at_level(logging.WARNING):
        video = NetworkVideo(address, VideoConfig(), RATE, None, server, wait)
        with closing(video):
            sent_one_by_one(video, 20)
    assert pauses == [0.5, 1.0, 2.0, 0.5, 1.0]
    assert video.connections == 2
    assert [record.message for record in caplog.records] == [
        "--output rtsp://***@host/cam: Connection refused; trying again",
        "--output rtsp://***@host/cam: Broken pipe; trying again",
    ]


def test_a_server_that_is_away_holds_nothing_and_the_queue_is_bounded(tmp_path: Path) -> None:
    hanging, let_go = threading.Event(), threading.Event()

    def hang(url: str, mode: str, **options: Any) -> Any:
        hanging.set()
        let_go.wait()
        raise av.error.TimeoutError(110, "timed out", url)

    video = NetworkVideo(NetworkAddress("rtmp://host:1"), VideoConfig(), RATE, None, hang)
    with closing(video):
        video.write(frame(0), numbered_picture(0, (96, 64)))
        assert hanging.wait(60)
        for number in range(1, 100):
            video.write(frame(number), numbered_picture(number, (96, 64)))
        assert len(video._pictures) == 2
        video._closing.set()
        let_go.set()
    assert video.dropped == 98
