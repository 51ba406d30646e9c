"""The report of hours of many faces, in a real browser."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page

from tests.support.browser import browser, page_memory_mb
from tests.support.clips import read_number
from tests.support.made_records import long_clip, write_crowd

FPS, TRACKS = 25, 20
SEEKS = 40
WAIT_FOR_FRAME = """wanted => new Promise((resolve) => {
    const section = document.querySelector("section");
    const begun = performance.now();
    const done = () => requestAnimationFrame(() => resolve(performance.now() - begun));
    const watch = new MutationObserver(() => {
        if (section.dataset.frame === `${wanted.frame}`) { watch.disconnect(); done(); }
    });
    watch.observe(section, { attributes: true, attributeFilter: ["data-frame"] });
    location.hash = `t=${wanted.time}&track=${wanted.track}`;
})"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("minutes", [180])
def test_hours_of_twenty_faces(minutes: int, tmp_path: Path, capsys: Any) -> None:
    clip = long_clip(tmp_path / "talk.mp4", minutes * 60, FPS)
    records = write_crowd(tmp_path / "talk.jsonl", minutes * 60, FPS, TRACKS)
    begun = time.monotonic()
    command = [sys.executable, "-m", "streamfer", "report", records, "--video", clip]
    subprocess.run([*command, "--out", tmp_path / "out"], check=True)
    written_s = time.monotonic() - begun
    with browser() as chromium:
        opened_s, seeks_ms, megabytes = _use(chromium, tmp_path / "out" / "index.html", minutes)
    ordered = sorted(seeks_ms)
    with capsys.disabled():
        print(
            f"\n{minutes} min × {TRACKS} tracks at {FPS} frames/s,"
            f" {records.stat().st_size / 1e6:.0f} MB of records:"
            f" written in {written_s:.1f} s (≤ 60), opened in {opened_s:.2f} s (≤ 2),"
            f" seek p50 {ordered[len(ordered) // 2]:.0f} ms, p95"
            f" {ordered[int(0.95 * len(ordered))]:.0f} ms (≤ 150), page {megabytes:.0f} MB (≤ 400)"
        )


def _use(chromium: Browser, report: Path, minutes: int) -> tuple[float, list[float], float]:
    """Seconds to open, milliseconds of each seek to a drawn frame, the page's memory in MB."""
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    begun = time.monotonic()
    page.goto(report.as_uri(), wait_until="commit")
    page.wait_for_selector("section[data-frame='0']", timeout=120_000)
    opened_s = time.monotonic() - begun
    order = random.Random(0)
    seeks_ms = [_seek(page, order.randrange(minutes * 60 * FPS), order) for _ in range(SEEKS)]
    return opened_s, seeks_ms, page_memory_mb(page)


def _seek(page: Page, frame: int, order: random.Random) -> float:
    wanted = {"frame": frame, "time": frame / FPS, "track": order.randrange(1, TRACKS + 1)}
    taken_ms = float(page.evaluate(WAIT_FOR_FRAME, wanted))
    picture = Image.open(io.BytesIO(page.locator("video").screenshot())).convert("RGB")
    assert read_number(np.asarray(picture)) == frame % (60 * FPS) % 256
    return taken_ms
