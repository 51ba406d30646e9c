"""The tables of docs/inputs.md: a few cells of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.inputs import inputs, making
from tests.inputs.refusals import refusals


def test_a_table_of_videos_says_what_is_read(tmp_path: Path) -> None:
    notes = inputs.Notes()
    made = inputs.videos(tmp_path, ("mpeg4", "gif"), (".mp4", ".webm"), notes)
    assert made.splitlines() == [
        "| codec | .mp4 | .webm | alone |",
        "|---|---|---|---|",
        "| mpeg4 | yes | · | · |",
        "| gif | · | · | yes (.gif) |",
    ]
    assert notes.lines() == []


def test_a_table_of_sounds_says_what_becomes_of_them(tmp_path: Path) -> None:
    made = inputs.sounds(tmp_path, ("aac", "adpcm_ms"), inputs.Notes())
    assert "| aac, stereo (.mp4) | copied | copied | copied | copied |" in made
    assert "| adpcm_ms, mono (.avi) | made AAC |" in made


def test_a_table_of_pixels(tmp_path: Path) -> None:
    made = inputs.pixel_formats(tmp_path, ("gray", "nv12"), inputs.Notes())
    assert "| gray | yes | yes |\n| nv12 | yes | · |" in made


def test_pictures_are_made_in_many_modes(tmp_path: Path) -> None:
    kinds = {(suffix, mode) for suffix, mode, _ in making.still_pictures(tmp_path)}
    assert {(".png", "RGBA"), (".jpg", "CMYK"), (".avif", "RGB"), (".qoi", "rgba")} <= kinds


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_document(tmp_path: Path) -> None:
    document = inputs.document(tmp_path, print)
    assert document.count("\n## ") == 7


def test_refusals_are_one_line_each_without_paths(tmp_path: Path) -> None:
    found = {kind: (message, code) for kind, message, code in refusals(tmp_path)}
    assert found["an empty file"] == ("cannot open empty.mp4: it is empty", 3)
    assert found["sound alone"] == ("cannot use song.wav: it has no video", 3)
    assert all(code in (2, 3) and str(tmp_path) not in message for message, code in found.values())
