"""Live sources on MPEG transport streams over UDP."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import av
import pytest

from streamfer.errors import SourceError
from streamfer.media.endpoint import LiveConfig, network_endpoint
from streamfer.media.live_source import LiveSource
from tests.support.clock_pattern import draw_number, read_number
from tests.support.live import Recorder

RATE = 25


@contextmanager
def sender(port: int) -> Iterator[None]:
    """Sends numbered pictures at their own rate until the block ends."""
    stop = threading.Event()

    def send() -> None:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": "5", "threads": "1"}
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as container:
            stream = container.add_stream("libx264", rate=RATE, options=options)
            stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
            due_s = time.monotonic()
            for number in itertools.count():
                picture = draw_number(number % 60, 320, 192)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
                due_s += 1 / RATE
                if stop.wait(max(due_s - time.monotonic(), 0)):
                    return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def live_source(port: int, recorder: Recorder, **settings: float) -> LiveSource:
    config = LiveConfig(max_reconnects=0, **settings)
    endpoint = network_endpoint(f"udp://127.0.0.1:{port}", config)
    return LiveSource("cam", endpoint, recorder.callbacks(), config)


def test_a_transport_stream_is_joined_in_the_middle(port: int) -> None:
    with sender(port):
        stream = live_source(port, Recorder()).frames()
        frames = [next(stream) for _ in range(12)]
        stream.close()
    numbers = [read_number(frame.picture.to_rgb()) for frame in frames]
    assert None not in numbers
    assert [(b - a) % 60 for a, b in itertools.pairwise(numbers)] == [1] * 11


def test_corrupt_packets_do_not_end_the_stream(port: int) -> None:
    recorder = Recorder()
    noise = [b"\x47" + bytes(range(187)), b"\x00" * 1316, b"\x47\x41\x00\x15" + b"\xa5" * 184]
    with sender(port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attacker:
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


def test_an_address_where_nothing_arrives_is_given_up(port: int) -> None:
    with pytest.raises(SourceError, match=r"no answer within 0\.2 s"):
        next(live_source(port, Recorder(), open_timeout_s=0.2).frames())
