from __future__ import annotations

import csv
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
from tests.support.made_records import made_face, uneven_clip, uneven_pts, write_records

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


def test_a_selection_of_several_records_is_saved_and_printed(page: Any, tmp_path: Path) -> None:
    times = range(0, 10_000, 100)
    both = [[made_face(1, "happy"), made_face(2, "sad")] for _ in times]
    first = write_records(tmp_path / "a.jsonl", times, both)
    second = write_records(tmp_path / "b.jsonl", times, both)
    report = write_report(ReportConfig((first, second), out=tmp_path / "out"))
    page.goto(f"{report.as_uri()}#t=2.5&track=2")
    assert page.locator("section").count() == 2
    assert page.locator("#clock").inner_text() == "0:02.500"
    assert page.locator("button[aria-pressed=true]").first.inner_text() == "Face 2"

    strip = page.locator(".strip canvas").first.bounding_box()
    y = strip["y"] + strip["height"] / 2
    page.keyboard.down("Shift")
    page.mouse.move(strip["x"] + 0.2 * strip["width"], y)
    page.mouse.down()
    page.mouse.move(strip["x"] + 0.4 * strip["width"], y)
    page.mouse.up()
    page.keyboard.up("Shift")

    rows = list(csv.DictReader(io.StringIO(saved(page, "#csv"))))
    chosen = {float(row["time_s"]) for row in rows}
    assert (min(chosen), max(chosen)) == pytest.approx((2.0, 3.9), abs=0.11)
    assert len(rows) == 2 * 2 * len(chosen)
    assert float(rows[0]["smoothed_happy"]) == pytest.approx(0.9)
    cues = saved(page, "#vtt")
    assert cues.startswith("WEBVTT\n")
    assert "Face 2: sad" in cues

    page.emulate_media(media="print")
    assert page.locator(".tools").is_hidden()


def saved(page: Any, button: str) -> str:
    with page.expect_download() as download:
        page.locator(button).click()
    return Path(download.value.path()).read_text()


def shown_number(page: Any) -> int:
    page.evaluate("document.querySelector('video').controls = false")
    picture = Image.open(io.BytesIO(page.locator(".screen").screenshot())).convert("RGB")
    return read_number(np.asarray(picture))
