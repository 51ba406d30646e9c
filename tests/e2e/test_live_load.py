"""What the live page costs and how far behind it is, in real runs and a real browser.

`make web-load` prints the figures on an idle machine; nothing here asserts a time. The tests of one
figure: `pytest -n0 -s -m slow tests/e2e/test_live_load.py -k NAME`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil
import pytest
from playwright.sync_api import Browser, Page
from websockets.sync.client import connect

from streamfer.types import UInt8Array
from tests.support import clock_pattern
from tests.support.browser import browser
from tests.support.http_server import http_server, mjpeg
from tests.support.live_page import run, wait_for_newer
from tests.support.program import start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

WINDOW_S = float(os.environ.get("WEB_LOAD_WINDOW_S", "15"))
MEMORY_S = float(os.environ.get("WEB_LOAD_MEMORY_S", "600"))
FAST = ("demo:", "--loop", 100_000)
LIVE = (*FAST, "--realtime")
WATCHER = """
import json, sys
from websockets.sync.client import connect
with connect(sys.argv[1], proxy=None, max_size=None) as socket:
    socket.send(json.dumps({"watch": {"tiles": sys.argv[2:], "stream": None}}))
    for message in socket:
        if isinstance(message, bytes):
            record = json.loads(message[4 : 4 + int.from_bytes(message[:4], "big")])
            socket.send(json.dumps({"ack": record["stream"]}))
"""
"""A page without its drawing: what is left is what the program does for it."""
AGES = """() => new Promise((resolve) => {
    const canvas = document.getElementById("picture");
    const ages = [];
    const read = () => {
        const context = canvas.getContext("2d");
        const { width, height } = canvas;
        const pixel = (x, y) => context.getImageData(x, y, 1, 1).data[1];
        const bit = (row, n) => pixel(((n + 0.5) * width) / 16, (height * row) / 16) > 127;
        let number = 0;
        for (let n = 0; n < 16; n += 1) {
            if (bit(1, n) === bit(3, n)) return;
            if (bit(1, n)) number += 2 ** n;
        }
        ages.push((Date.now() % 65536 - number + 65536) % 65536);
        if (ages.length === 200) { watch.disconnect(); resolve(ages); }
    };
    const watch = new MutationObserver(() => requestAnimationFrame(read));
    watch.observe(canvas, { attributes: true, attributeFilter: ["data-frame"] });
})"""
"""How old 200 pictures are when they are drawn, in milliseconds."""


def say(capsys: Any, text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


def streams(url: str) -> list[dict[str, Any]]:
    with urlopen(f"{url}api/streams") as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def analysed(url: str) -> int:
    return sum(stream["frames"] for stream in streams(url))


def rate(url: str) -> float:
    """Analysed frames/s over a window."""
    begun, before = time.monotonic(), analysed(url)
    threading.Event().wait(WINDOW_S)
    return (analysed(url) - before) / (time.monotonic() - begun)


@contextmanager
def watching(url: str, names: list[str], pages: int) -> Iterator[None]:
    """Pages that take every frame at once, each in a process that gets what is left of the CPUs."""
    command = [sys.executable, "-c", WATCHER, f"ws://{urlsplit(url).netloc}/live", *names]
    processes = [subprocess.Popen(["nice", "-n", "19", *command]) for _ in range(pages)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


@contextmanager
def opened(chromium: Browser, url: str, pages: int) -> Iterator[list[Page]]:
    context = chromium.new_context(viewport={"width": 1280, "height": 760})
    found = [context.new_page() for _ in range(pages)]
    for page in found:
        page.goto(url)
    yield found
    context.close()


def compared(url: str, watched: Any) -> tuple[float, float]:
    """Frames/s closed and watched, by turns, so that a drift of the machine counts for neither."""
    closed, open_ = [], []
    for _ in range(3):
        closed.append(rate(url))
        with watched():
            open_.append(rate(url))
    return statistics.median(closed), statistics.median(open_)


def test_four_watching_pages(capsys: Any) -> None:
    with run(*FAST, "--web", 0) as (_, url), browser() as chromium:
        rate(url)
        closed, watched = compared(url, lambda: watching(url, ["demo"], 4))
        beside, drawn = compared(url, lambda: opened(chromium, url, 4))
    say(
        capsys,
        f"four pages: {closed:.1f} frames/s closed, {watched:.1f} watched"
        f" ({1 - watched / closed:+.1%} of 15 %); with four real pages on the same CPUs"
        f" {beside:.1f}, {drawn:.1f} ({1 - drawn / beside:+.1%})",
    )


def test_a_closed_page(capsys: Any, tmp_path: Path) -> None:
    rates: dict[bool, list[float]] = {True: [], False: []}
    summary = tmp_path / "summary.json"
    shared = ("--max-frames", round(60 * WINDOW_S), "--no-refine", "--no-display", "--quiet")
    for has_page in (False, True) * 3:
        page = ("--web", 0) if has_page else ()
        process = start("run", *FAST, *page, *shared, "--json-summary", summary)
        _, err = process.communicate()
        assert process.returncode == 0, err
        rates[has_page].append(json.loads(summary.read_text())["fps"])
    without, closed = statistics.median(rates[False]), statistics.median(rates[True])
    say(
        capsys,
        f"no page: {without:.1f} frames/s; closed page: {closed:.1f} ({1 - closed / without:+.1%})",
    )


class Clock:
    """A camera that draws the milliseconds of its clock, 25 times a second."""

    def __init__(self) -> None:
        self.ending = threading.Event()

    def pictures(self) -> Iterator[UInt8Array]:
        while not self.ending.wait(0.04):
            yield clock_pattern.draw_number(int(time.time() * 1000) % 65536, 640, 360)


def test_glass_to_glass(capsys: Any) -> None:
    clock = Clock()
    with (
        browser() as chromium,
        http_server({"/cam": mjpeg(clock.pictures)}) as cameras,
        run(f"{cameras}/cam", "--web", 0) as (_, url),
    ):
        page = chromium.new_page(viewport={"width": 1280, "height": 760})
        page.goto(url)
        page.locator(".tile").click()
        wait_for_newer(page, "#picture")
        page.evaluate(AGES)  # the first ones come while the networks warm up
        ages = sorted(page.evaluate(AGES))
        clock.ending.set()
    say(
        capsys,
        f"glass to glass: p50 {ages[100]:.0f}, p95 {ages[190]:.0f} ms (≤ 250), of"
        f" {len(ages)} pictures",
    )


def test_sixteen_streams_on_one_page(capsys: Any) -> None:
    sources = ["lavfi:testsrc2=size=640x360:rate=10"] * 16
    with run(*sources, "--realtime", "--web", 0) as (_, url), browser() as chromium:
        page = chromium.new_page(viewport={"width": 1600, "height": 900})
        page.goto(url)
        page.wait_for_function(
            "() => document.querySelectorAll('.tile canvas[data-frame]').length === 16",
            timeout=300_000,
        )
        page.evaluate(
            """() => {
                window.drawn = {};
                for (const canvas of document.querySelectorAll(".tile canvas")) {
                    const name = canvas.closest(".tile").dataset.stream;
                    window.drawn[name] = 0;
                    new MutationObserver(() => { window.drawn[name] += 1; })
                        .observe(canvas, { attributes: true, attributeFilter: ["data-frame"] });
                }
            }"""
        )
        begun = time.monotonic()
        page.wait_for_timeout(1000 * WINDOW_S)
        drawn = list(page.evaluate("() => window.drawn").values())
        taken_s = time.monotonic() - begun
        analysed_hz = sum(stream["fps"] for stream in streams(url)) / 16
    say(
        capsys,
        f"16 streams: tiles drawn {min(drawn) / taken_s:.1f} to {max(drawn) / taken_s:.1f} times a"
        f" second (up to 8), {analysed_hz:.1f} frames/s analysed of each",
    )


def test_memory_with_clients_that_come_and_go(capsys: Any) -> None:
    sizes: list[float] = []
    with run(*LIVE, "--web", 0) as (process, url), ExitStack() as stack:
        program = psutil.Process(process.pid)
        ending = threading.Event()
        visitors = [threading.Thread(target=_visit, args=(url, ending, n)) for n in range(4)]
        stack.callback(lambda: [thread.join() for thread in visitors])
        stack.callback(ending.set)
        for thread in visitors:
            thread.start()
        until = time.monotonic() + MEMORY_S
        while time.monotonic() < until:
            threading.Event().wait(min(5.0, MEMORY_S / 30))
            sizes.append(program.memory_info().rss / 2**20)
    third = len(sizes) // 3
    first, last = (statistics.median(part) for part in (sizes[third : 2 * third], sizes[-third:]))
    say(
        capsys,
        f"memory over {MEMORY_S:.0f} s with pages coming and going: {sizes[0]:.0f} MB at first,"
        f" {first:.0f} in the middle, {last:.0f} at the end (flat: the last two alike)",
    )


def _visit(url: str, ending: threading.Event, number: int) -> None:
    """Pages that open, look for a while and go; every other one falls asleep first."""
    while not ending.is_set():
        with connect(f"ws://{urlsplit(url).netloc}/live", proxy=None, max_size=None) as socket:
            socket.send(json.dumps({"watch": {"tiles": ["demo"], "stream": "demo"}}))
            for _ in range(10 + 5 * number):
                message = socket.recv(timeout=30)
                if isinstance(message, bytes) and number % 2:
                    socket.send(json.dumps({"ack": "demo"}))
            ending.wait(0.5)


def test_first_page(capsys: Any) -> None:
    taken_s = []
    with browser() as chromium:
        page = chromium.new_page(viewport={"width": 1280, "height": 760})
        for _ in range(3):
            with run(*LIVE, "--web", 0) as (_, url):
                begun = time.monotonic()
                page.goto(url, wait_until="commit")
                page.locator(".tile").first.wait_for(state="visible")
                visible_s = time.monotonic() - begun
                wait_for_newer(page, ".tile canvas")
                taken_s.append((visible_s, time.monotonic() - begun))
                page.goto("about:blank")
    visible_s, drawn_s = (statistics.median(each) for each in zip(*taken_s, strict=True))
    say(
        capsys,
        f"after the address is printed the page is visible in {visible_s:.2f} s (≤ 1), its first"
        f" picture in {drawn_s:.2f} s",
    )
