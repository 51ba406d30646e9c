"""Sources that go wrong at random: servers killed and paused, links cut, bytes flipped, clocks
set."""

from __future__ import annotations

import io
import itertools
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from tests.support.clips import ClipSpec, make_clip
from tests.support.clock_pattern import draw_number, encode_access_units
from tests.support.fault_proxy import FaultProxy
from tests.support.http_server import http_server, jpeg_stream
from tests.support.rtsp_server import Mount, RtspServer, free_port
from tests.support.shared import SHARED
from tests.support.udp_sender import UdpSender

RATE = 15


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong with one source, for a while."""

    source: str
    name: str
    begin: Callable[[], object]
    end: Callable[[], object]
    longest_s: float


@dataclass(frozen=True)
class Scene:
    """Running sources and what can go wrong with them."""

    arguments: list[str]
    """SOURCE arguments of the program."""
    faults: list[Fault]


def set_scene(stack: ExitStack, folder: Path) -> Scene:
    """Starts all servers; they end with the stack."""
    clip = encode_access_units(folder / "clip.au", sizes=((640, 360),), count=300, rate=RATE)
    small = encode_access_units(folder / "small.au", sizes=((320, 192),), count=300, rate=RATE)
    sizes = ((640, 360), (320, 192))
    changing = encode_access_units(folder / "changing.au", sizes=sizes, count=150, rate=RATE)
    killed = stack.enter_context(RtspServer(Mount("/killed", clip, RATE)))
    steady = stack.enter_context(
        RtspServer(Mount("/link", clip, RATE), Mount("/changing", changing, RATE))
    )
    link = stack.enter_context(FaultProxy(steady.port))
    port = free_port()
    sender = stack.enter_context(UdpSender(port, small, RATE))
    camera = _MjpegCamera()
    base = stack.enter_context(http_server({"/mjpeg": jpeg_stream(camera.jpegs)}))
    stack.callback(camera.hang_up)
    nothing = lambda: None  # noqa: E731
    return Scene(
        arguments=[
            killed.url("/killed"),
            f"rtsp://127.0.0.1:{link.port}/link",
            steady.url("/changing"),
            f"udp://127.0.0.1:{port}",
            f"{base}/mjpeg",
            str(_film(folder)),
        ],
        faults=[
            Fault("killed", "server killed", killed.kill, killed.start, 8.0),
            Fault("killed", "server paused", killed.pause, killed.resume, 12.0),
            Fault("link", "link cut", link.cut, nothing, 1.0),
            Fault("link", "link paused", link.pause, link.resume, 12.0),
            Fault("link", "bytes flipped", lambda: link.corrupt(0.2), lambda: link.corrupt(0), 8.0),
            Fault("udp", "clock ahead 1 h", lambda: sender.jump(3600.0), nothing, 1.0),
            Fault("udp", "clock back 30 min", lambda: sender.jump(-1800.0), nothing, 1.0),
            Fault("mjpeg", "camera hung up", camera.hang_up, nothing, 1.0),
        ],
    )


def faults_at_random(
    faults: list[Fault], rng: random.Random, every_s: float
) -> Iterator[tuple[float, Fault, float]]:
    """When which fault begins and how long it lasts, in seconds; one per source at a time."""
    now_s = 0.0
    busy_until_s: dict[str, float] = {}
    while True:
        now_s += rng.uniform(0.5, 1.5) * every_s
        free = [fault for fault in faults if busy_until_s.get(fault.source, 0.0) < now_s]
        if free:
            fault = rng.choice(free)
            lasts_s = rng.uniform(0.3, 1.0) * fault.longest_s
            busy_until_s[fault.source] = now_s + lasts_s + 3.0
            yield now_s, fault, lasts_s


class _MjpegCamera:
    """A camera of ten pictures per second that can hang up."""

    def __init__(self) -> None:
        self._hung_up = threading.Event()
        self._jpegs = [_jpeg(number) for number in range(30)]

    def jpegs(self) -> Iterator[bytes]:
        self._hung_up.clear()
        for jpeg in itertools.cycle(self._jpegs):
            yield jpeg
            if self._hung_up.wait(0.1):
                return

    def hang_up(self) -> None:
        self._hung_up.set()


def _jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(draw_number(number, 320, 192)).save(buffer, "JPEG")
    return buffer.getvalue()


def _film(folder: Path) -> Path:
    """A face, if there is one to be had."""
    film = SHARED / "media/single_face.mp4"
    return film if film.exists() else make_clip(folder / "film.mp4", ClipSpec(frames=72))
