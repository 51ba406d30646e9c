from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from streamfer.app.report.command import ReportConfig, write_report
from tests.support.clips import read_number
from tests.support.made_records import uneven_clip, uneven_pts, write_records

_CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(_CHROMIUM is None, reason="no chromium on this machine")


@pytest.fixture
def page() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser.new_page(viewport={"width": 1200, "height": 900})
        browser.close()


@pytest.mark.parametrize("single_file", [False, True])
def test_shows_the_records_frame_of_a_moment_that_is_clicked(
    page: Any, tmp_path: Path, single_file: bool
) -> None:
    clip = uneven_clip(tmp_path / "talk.mp4")
    records = write_records(tmp_path / "r.jsonl", uneven_pts(60))
    report = write_report(
        ReportConfig((records,), (clip,), tmp_path / "out", single_file=single_file)
    )
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(report.as_uri())
    page.wait_for_selector("section[data-frame='0']")

    moment = page.locator(".moment").first
    wanted = uneven_pts(60).index(round(float(moment.get_attribute("data-time")) * 1000))
    moment.click()
    page.wait_for_selector(f"section[data-frame='{wanted}']")
    assert shown_number(page) == wanted

    for frame in (7, 8, 9, 58):
        page.evaluate(
            "time => { location.hash = `t=${time}&track=1` }", uneven_pts(60)[frame] / 1e3
        )
        page.wait_for_selector(f"section[data-frame='{frame}']")
        assert shown_number(page) == frame
    assert errors == []


def shown_number(page: Any) -> int:
    page.evaluate("document.querySelector('video').controls = false")
    picture = Image.open(io.BytesIO(page.locator(".screen").screenshot())).convert("RGB")
    return read_number(np.asarray(picture))
