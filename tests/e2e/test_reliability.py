"""Live streams through the whole pipeline while their server is killed, paused and overloaded."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import psutil
import pytest

from streamfer.media.sources.endpoint import LiveConfig, network_endpoint
from streamfer.media.sources.live import LiveSource
from tests.support.clock_pattern import encode_access_units
from tests.support.fault_proxy import FaultProxy
from tests.support.live_run import LiveRun, NumberReader, Seen, ages_s, for_seconds, until
from tests.support.rtsp_server import Mount, RtspServer, require_rtsp_server

CYCLE = 300
"""Numbered pictures in the server's clips."""


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_rtsp_server()
    return tmp_path_factory.mktemp("clips")


def clip(folder: Path, rate: int, size_wh: tuple[int, int] = (640, 360)) -> Path:
    path = folder / f"{size_wh[0]}x{size_wh[1]}-{rate}.au"
    if not path.exists():
        encode_access_units(path, sizes=(size_wh,), count=CYCLE, rate=rate)
    return path


def live_source(run: LiveRun, name: str, url: str) -> LiveSource:
    config = LiveConfig()
    return LiveSource(name, network_endpoint(url, config), run.callbacks(name), config)


@dataclass(frozen=True)
class Usage:
    """What the process holds."""

    threads: int
    descriptors: int
    memory_mb: float

    @classmethod
    def now(cls) -> Self:
        gc.collect()
        process = psutil.Process()
        memory_mb = process.memory_info().rss / 2**20
        return cls(threading.active_count(), process.num_fds(), memory_mb)


def slow(*values: float) -> object:
    """Parameters of a longer run, which asks for times that other tests on the same cores can cost
    it."""
    return pytest.param(*values, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])


@pytest.mark.parametrize(("cycles", "limit_s"), [(5, 60.0), slow(50, 3.0)])
def test_a_server_killed_again_and_again_leaves_nothing_behind(
    clips: Path, cycles: int, limit_s: float
) -> None:
    run = LiveRun(NumberReader())
    usage: list[Usage] = []
    waits_s: list[float] = []

    def scenario(run: LiveRun) -> Iterator[None]:
        yield from run.more_frames("cam", 3)
        for _ in range(cycles):
            usage.append(Usage.now())
            server.kill()
            yield from until(lambda: run.stream("cam").state == "reconnecting")
            server.start()
            started_s = time.monotonic()
            yield from run.more_frames("cam", 1, limit_s)
            waits_s.append(time.monotonic() - started_s)
            yield from run.more_frames("cam", 3)

    with RtspServer(Mount("/live", clip(clips, 15, (320, 192)))) as server:
        run.play([live_source(run, "cam", server.url("/live"))], scenario)
    print(f"back after {max(waits_s):.1f} s at most; {usage[0]} → {usage[-1]}")
    seen = run.analyze.seen["cam"]
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(seen))
    kinds = [event.event for event in run.sinks["cam"].events]
    assert kinds == ["opened", *["disconnected", "reconnected"] * cycles]
    assert usage[-1].threads <= usage[1].threads
    assert usage[-1].descriptors <= usage[1].descriptors
    assert usage[-1].memory_mb < usage[1].memory_mb + 8


@pytest.mark.parametrize(("pause_s", "limit_s"), [(2.5, 60.0), slow(20.0, 3.0)])
def test_a_paused_server_is_shown_as_stalled_and_comes_back(
    clips: Path, pause_s: float, limit_s: float
) -> None:
    run = LiveRun(NumberReader())

    def scenario(run: LiveRun) -> Iterator[None]:
        yield from run.more_frames("cam", 3)
        server.pause()
        yield from until(lambda: run.stream("cam").state == "stalled", limit_s + 2.0)
        yield from for_seconds(pause_s)
        server.resume()
        yield from run.more_frames("cam", 1, limit_s)

    with RtspServer(Mount("/live", clip(clips, 15, (320, 192)))) as server:
        run.play([live_source(run, "cam", server.url("/live"))], scenario)
    assert run.states["cam"][:4] == ["connecting", "live", "stalled", "reconnecting"]
    assert run.states["cam"][-1] == "live"


@pytest.mark.slow  # it asks for a time, which other tests on the same cores can cost it
@pytest.mark.parametrize("seconds", [20.0, 300.0])
def test_what_is_analysed_is_fresh_however_slow_the_analyzer(
    clips: Path, tmp_path: Path, seconds: float
) -> None:
    rate = 30
    run = LiveRun(NumberReader(frame_s=3 / rate))
    log = tmp_path / "sent.log"

    def scenario(run: LiveRun) -> Iterator[None]:
        yield from run.more_frames("cam", 3)
        yield from for_seconds(seconds)

    with RtspServer(Mount("/live", clip(clips, rate), rate, log)) as server:
        run.play([live_source(run, "cam", server.url("/live"))], scenario)
    seen = run.analyze.seen["cam"][3:]
    ages_ms = np.array(ages_s(seen, log, CYCLE)) * 1000
    half = len(ages_ms) // 2
    print(f"age p50 {np.percentile(ages_ms, 50):.0f} ms, p95 {np.percentile(ages_ms, 95):.0f} ms")
    assert np.percentile(ages_ms, 95) < 250
    assert np.median(ages_ms[half:]) < np.median(ages_ms[:half]) + 20
    steps = [(b.number - a.number) % CYCLE for a, b in itertools.pairwise(seen)]
    assert steps == [frame.dropped + 1 for frame in seen[1:]]
    assert sum(steps) == seen[-1].index - seen[0].index
    assert sum(frame.dropped for frame in seen) > len(seen)


VICTIMS = ("cam-0", "cam-1")
"""Of sixteen streams: the one that dies and the one that stalls."""


@pytest.mark.parametrize(("seconds", "limit_ms"), [(6.0, 10_000), slow(120.0, 1000)])
def test_sixteen_cameras_share_two_cores_fairly(
    clips: Path, seconds: float, limit_ms: float
) -> None:
    run = LiveRun(NumberReader(frame_s=0.01))  # 100 of the 240 frames/s that come
    names = [f"cam-{number}" for number in range(16)]
    others = [name for name in names if name not in VICTIMS]

    def scenario(run: LiveRun) -> Iterator[None]:
        yield from until(lambda: all(run.count(name) > 3 for name in names))
        yield from measured(seconds / 2)
        proxies[0].cut()
        proxies[1].pause()
        yield from measured(seconds / 2)
        proxies[1].resume()

    def measured(seconds: float) -> Iterator[None]:
        before = {name: run.count(name) for name in names}
        yield from for_seconds(seconds)
        phases.append({name: run.analyze.seen[name][before[name] :] for name in names})

    phases: list[dict[str, list[Seen]]] = []
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer(Mount("/live", clip(clips, 15))))
        proxies = [stack.enter_context(FaultProxy(server.port)) for _ in VICTIMS]
        urls = [f"rtsp://127.0.0.1:{proxy.port}/live" for proxy in proxies]
        urls += [server.url("/live")] * len(others)
        run.play([live_source(run, *named) for named in zip(names, urls, strict=True)], scenario)
    for phase, streams in zip(phases, (names, others), strict=True):
        counts = [len(phase[name]) for name in streams]
        ages_ms = [seen.age_s * 1000 for name in streams for seen in phase[name]]
        print(f"frames {counts}, age p95 {np.percentile(ages_ms, 95):.0f} ms")
        assert min(counts) >= 0.7 * max(counts)
        assert np.percentile(ages_ms, 95) < limit_ms
    for name in others:
        assert run.states[name] == ["connecting", "live"]
