from __future__ import annotations

import asyncio
import multiprocessing
import subprocess
import sys
import threading

import pytest

import streamfer
from tests.support.quick_sessions import QUICK, analysing


def test_under_asyncio_the_loop_goes_on() -> None:
    async def run() -> tuple[int, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0)

        ticking = asyncio.create_task(tick())
        frames = [r async for r in streamfer.analyze_async("demo:", max_frames=3, **QUICK)]
        ticking.cancel()
        return len(frames), ticks

    frames, ticks = asyncio.run(run())
    assert frames == 3
    assert ticks > 3


def test_a_cancelled_task_stops_the_run() -> None:
    async def forever(started: asyncio.Event) -> None:
        async for _ in streamfer.analyze_async("demo:", loop=1000, **QUICK):
            started.set()

    async def run() -> None:
        started = asyncio.Event()
        task = asyncio.create_task(forever(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert analysing() == []


def test_wrong_options_under_asyncio_are_refused_when_called() -> None:
    with pytest.raises(streamfer.ConfigError, match="max_frames"):
        streamfer.analyze_async("demo:", max_frame=3)


def test_in_a_notebook_where_a_loop_is_running_already(opened: streamfer.Session) -> None:
    async def cell() -> int:
        return sum(1 for _ in opened.analyze("demo:", max_frames=3))

    assert asyncio.run(cell()) == 3


def test_in_a_thread(opened: streamfer.Session) -> None:
    seen: list[int] = []
    thread = threading.Thread(
        target=lambda: seen.extend(r.frame.index for r in opened.analyze("demo:", max_frames=3))
    )
    thread.start()
    thread.join(60)
    assert seen == [0, 1, 2]


def frames_of_the_demo(number: int) -> int:
    return len(list(streamfer.analyze("demo:", max_frames=number, **QUICK)))


def test_in_a_spawned_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(frames_of_the_demo, [2]) == [2]


def test_a_script_that_keeps_a_half_used_iterator_still_ends() -> None:
    script = (
        "import streamfer\n"
        "results = streamfer.analyze('demo:', loop=1000, refine=False)\n"
        "print(next(results).frame.index)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert (ended.stdout, ended.stderr) == ("0\n", "")
