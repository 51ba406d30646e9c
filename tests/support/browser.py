"""A real browser: Debian's Chromium, without a window."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

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
