"""Runs with a live page, and the page in a browser."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from tests.support.program import start


@contextmanager
def run(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A run with a page, and where that is."""
    process = start("run", *arguments, "--no-refine", "--no-display", "--quiet")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("live page: "), line + process.communicate()[1]
        yield process, line.removeprefix("live page: ").strip()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err, err
        assert "ERROR" not in err, err
    finally:
        process.kill()
        process.communicate()


def frame_of(page: Page, canvas: str) -> int:
    return int(page.locator(canvas).get_attribute("data-frame") or -1)


def wait_for_newer(page: Page, canvas: str) -> None:
    """Waits until a canvas shows a later frame."""
    shown = frame_of(page, canvas)
    page.wait_for_function(
        "([canvas, shown]) => Number(document.querySelector(canvas).dataset.frame ?? -1) > shown",
        arg=[canvas, shown],
        timeout=60_000,
    )
