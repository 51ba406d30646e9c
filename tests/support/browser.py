"""A real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser; skips the test where it is not installed."""
    if not os.path.exists(CHROMIUM):
        pytest.skip(f"no {CHROMIUM}: install chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            yield started
        finally:
            started.close()


def page_memory_mb(page: Page) -> float:
    """The memory of the process that draws a page, its share of what processes share included."""
    session = page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    sizes = [
        _proportional_kb(process["id"]) for process in processes if process["type"] == "renderer"
    ]
    return max(sizes) / 1024


def _proportional_kb(process: int) -> int:
    with open(f"/proc/{process}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
