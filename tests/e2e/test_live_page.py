"""The live page of a real run, in a real browser."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from playwright.sync_api import Page, expect
from websockets.sync.client import connect

from streamfer.types import UInt8Array
from tests.support.browser import browser
from tests.support.certificate import make_certificate
from tests.support.http_server import http_server, mjpeg
from tests.support.live_page import run, wait_for_newer
from tests.support.program import frame_records, start

# Two busy cores serve eight: waits are on conditions, and long enough for that.
expect.set_options(timeout=60_000)


class Camera:
    """Gives a small gray picture 20 times a second while it is switched on."""

    def __init__(self) -> None:
        self.off = threading.Event()
        self.ending = threading.Event()

    def pictures(self) -> Iterator[UInt8Array]:
        while not self.off.is_set() and not self.ending.wait(0.05):
            yield np.full((48, 64, 3), 90, dtype=np.uint8)


def look_at_the_single_view(page: Page) -> None:
    page.locator(".tile[data-stream=demo]").click()
    expect(page.locator("#name")).to_have_text("demo")
    wait_for_newer(page, "#picture")
    page.wait_for_function("() => Number(document.getElementById('curves').dataset.samples) > 5")
    page.wait_for_function("() => [...document.querySelectorAll('meter')].some((m) => m.value > 0)")
    expect(page.locator("#faces li")).to_have_count(1)
    expect(page.locator("#tracks button").first).to_contain_text("mostly")
    assert "face 1" in (page.locator("#picture").get_attribute("aria-label") or "")


def switch_the_overlay(page: Page) -> None:
    drawn = "() => window.drawnTexts > 0"
    page.evaluate(
        """() => {
            window.drawnTexts = 0;
            const fill = CanvasRenderingContext2D.prototype.fillText;
            CanvasRenderingContext2D.prototype.fillText = function (...given) {
                if (this.canvas.id === "picture") window.drawnTexts += 1;
                return fill.apply(this, given);
            };
        }"""
    )
    page.wait_for_function(drawn)
    page.keyboard.press("o")
    expect(page.locator("#overlay")).not_to_be_checked()
    wait_for_newer(page, "#picture")
    page.evaluate("() => { window.drawnTexts = 0; }")
    wait_for_newer(page, "#picture")
    assert page.evaluate("() => window.drawnTexts") == 0
    page.locator("#overlay").check()
    page.wait_for_function(drawn)
    page.keyboard.press("Escape")
    expect(page.locator("#single")).to_be_hidden()


def add_and_remove_a_stream(page: Page) -> None:
    page.locator("#add").click()
    page.locator("[name=source]").fill("nonsense://x")
    page.locator("#adding button").click()
    expect(page.locator("#problem")).to_contain_text("unknown kind of source")
    page.locator("[name=source]").fill("lavfi:testsrc2=size=64x48:rate=10")
    page.locator("[name=name]").fill("pattern")
    page.locator("#adding button").click()
    wait_for_newer(page, ".tile[data-stream=pattern] canvas")
    page.locator(".tile[data-stream=pattern]").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("#remove").click()
    expect(page.locator(".tile[data-stream=pattern]")).to_have_count(0)


def lose_a_camera_and_find_it_again(page: Page, camera: Camera) -> None:
    tile = page.locator(".tile").filter(has_text="cam")
    name = tile.get_attribute("data-stream")
    camera.off.set()
    expect(tile.locator("strong")).to_have_text("OFFLINE")
    expect(tile.locator(".off-mark")).to_be_visible()
    expect(page.locator("#events")).to_contain_text("disconnected")
    camera.off.clear()
    expect(tile.locator(".off-mark")).to_be_hidden()
    wait_for_newer(page, f".tile[data-stream='{name}'] canvas")
    expect(page.locator("#events")).to_contain_text("reconnected")


def test_what_an_operator_sees_and_does(tmp_path: Path) -> None:
    camera, records = Camera(), tmp_path / "all.jsonl"
    sources = ("demo:", "--realtime", "--loop", 1000)
    with (
        browser() as chromium,
        http_server({"/cam": mjpeg(camera.pictures)}) as cameras,
        run(*sources, f"{cameras}/cam", "--web", 0, "--records", records) as (_, url),
        connect(f"ws://{urlsplit(url).netloc}/live", proxy=None) as sleeping,
    ):
        sleeping.send(json.dumps({"watch": {"tiles": ["demo"], "stream": None}}))
        page = chromium.new_page(viewport={"width": 1280, "height": 760})
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console", lambda said: problems.append(said.text) if said.type == "error" else None
        )
        page.goto(url)
        expect(page.locator(".tile")).to_have_count(2)
        wait_for_newer(page, ".tile[data-stream=demo] canvas")
        look_at_the_single_view(page)
        switch_the_overlay(page)
        lose_a_camera_and_find_it_again(page, camera)
        add_and_remove_a_stream(page)
        page.set_viewport_size({"width": 390, "height": 760})
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        assert [p for p in problems if "400" not in p] == []
        camera.ending.set()
    frames = [record["frame"] for record in frame_records(records, "demo")]
    assert len(frames) > 10
    assert frame_records(records, "pattern")


def test_from_elsewhere_nobody_enters_without_the_token() -> None:
    with (
        browser() as chromium,
        run("demo:", "--realtime", "--loop", 1000, "--web", "0.0.0.0:0") as (_, url),
    ):
        parts = urlsplit(url)
        there = f"http://127.0.0.1:{parts.port}/"
        page = chromium.new_page()
        for query in ("", "?token=wrong"):
            answer = page.goto(there + query)
            assert answer is not None
            assert answer.status == 401
        page.goto(f"{there}?{parts.query}")
        wait_for_newer(page, ".tile canvas")
        assert "token" not in page.url
        page.goto(there)  # the cookie is enough from now on
        wait_for_newer(page, ".tile canvas")
        assert page.evaluate("() => document.cookie") == ""


def test_over_tls_and_only_with_sources_that_are_allowed(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    options = ("--web", "0.0.0.0:0", "--web-tls", certificate, key, "--web-sources", "*.cams.local")
    with (
        browser() as chromium,
        http_server({}) as inside,
        run("demo:", "--realtime", "--loop", 1000, *options) as (_, url),
    ):
        parts = urlsplit(url)
        page = chromium.new_context(ignore_https_errors=True).new_page()
        page.goto(f"https://127.0.0.1:{parts.port}/?{parts.query}")
        wait_for_newer(page, ".tile canvas")
        for source in (f"{inside}/cam", str(key), "lavfi:testsrc2"):
            page.locator("#add").click()
            page.locator("[name=source]").fill(source)
            page.locator("#adding button").click()
            expect(page.locator("#problem")).to_contain_text("may not be added here")
            page.reload()
        expect(page.locator(".tile")).to_have_count(1)


def test_a_port_that_is_taken_ends_the_run_before_it_begins() -> None:
    with http_server({}) as other:
        process = start("run", "demo:", "--web", urlsplit(other).port, "--no-display")
        out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "cannot listen there" in err
