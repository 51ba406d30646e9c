"""Subtitles as browsers and FFmpeg's renderer take them."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfer.labels import COLOURS_RGB
from streamfer.media.subtitles.cues import Cue
from streamfer.media.subtitles.timed_text import to_ass, to_vtt
from streamfer.media.subtitles.wording import Wording
from tests.support.browser import browser
from tests.support.timelines import timeline

_PAGE = """<video><track default kind="subtitles" src="data:text/vtt;base64,{vtt}"></video>"""
_CUES = """() => new Promise((done, fail) => {
  const element = document.querySelector('track');
  const read = () => done([...element.track.cues].map((cue) => ({
    start: cue.startTime, end: cue.endTime, line: cue.line, position: cue.position,
    align: cue.align, snap: cue.snapToLines, text: cue.getCueAsHTML().textContent,
    colour: cue.getCueAsHTML().querySelector('span').className,
  })));
  element.addEventListener('load', read);
  element.addEventListener('error', () => fail('the track is not read'));
  element.track.mode = 'hidden';
  if (element.readyState === 2) read();
})"""
ODD = 'A <b> & "c", d --> e'


def test_chromium_reads_every_cue_with_its_place_and_colour() -> None:
    made = timeline(wording=Wording("fr", {1: ODD, 2: "人"}))
    vtt = base64.b64encode(to_vtt(made).encode()).decode()
    with browser() as chromium:
        page = chromium.new_page()
        page.set_content(_PAGE.format(vtt=vtt))
        cues = page.evaluate(_CUES)
    assert len(cues) == 3
    for cue, ours in zip(cues, made.cues, strict=True):
        assert (cue["start"], cue["end"]) == pytest.approx((ours.start_s, ours.end_s))
        assert cue["text"] == made.text(ours)
        assert (cue["align"], cue["snap"]) == ("center", False)
        assert 0 <= cue["line"] <= 100
        assert ours.emotion in cue["colour"].split()
    assert (cues[0]["line"], cues[0]["position"]) == (40, 20)


@pytest.mark.skipif(
    shutil.which("ffmpeg") is None or not Path("/usr/share/fonts").is_dir(),
    reason="the program ffmpeg, or fonts, are not installed",
)
def test_ffmpeg_burns_each_label_under_its_face(tmp_path: Path) -> None:
    faces = (Cue(1, "happy", 0, 1, (100, 80, 160, 140)), Cue(2, "fear", 0, 1, (420, 60, 500, 160)))
    (tmp_path / "talk.ass").write_text(to_ass(timeline(*faces)), encoding="utf-8")
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "color=gray:s=640x360:d=1"]
    subprocess.run(
        [*command, "-vf", "ass=talk.ass", "-frames:v", "1", "burnt.png"], cwd=tmp_path, check=True
    )
    burnt = cv2.imread(str(tmp_path / "burnt.png"))
    assert burnt is not None
    picture = burnt[:, :, ::-1].astype(int)
    for cue in faces:
        distance = np.abs(picture - COLOURS_RGB[cue.emotion]).sum(axis=2)
        rows, columns = np.nonzero(distance < 60)
        left, _, right, bottom = cue.box_xyxy
        assert len(rows) > 50
        assert bottom <= rows.min() <= bottom + 15
        assert rows.max() < bottom + 40
        assert abs(columns.mean() - (left + right) / 2) < 15
