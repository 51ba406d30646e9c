"""Pictures for pictures: `--output` as .png, .jpg and .webp, and `{kind}` for a mixed folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import streamfer as library
from tests.support.clips import ClipSpec, make_clip
from tests.support.program import streamfer
from tests.support.shared import shared_file

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A photograph that its tag turns, a cut-out, a picture of a face and a film."""
    path = tmp_path / "in"
    path.mkdir()
    with Image.open(shared_file("media/single_face.jpg")) as face:
        small = face.convert("RGB").resize((320, 240))
    small.save(path / "face.webp", quality=90)
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    small.transpose(Image.Transpose.ROTATE_90).save(path / "turned.jpg", exif=exif)
    cut_out = small.convert("RGBA")
    cut_out.putalpha(Image.new("L", cut_out.size, 0))
    cut_out.save(path / "nothing.png")
    make_clip(path / "film.mkv", ClipSpec(frames=4))
    return path


def test_a_folder_of_both_kinds_gets_both_kinds(
    capfd: Capture, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["run", folder, "--no-refine", "--output", out / "{stream}.{kind}"]
    ended = streamfer(capfd, *arguments)
    assert ended.code == 0, ended.err
    assert sorted(p.name for p in out.iterdir()) == [
        "face.webp",
        "film.mp4",
        "nothing.png",
        "turned.jpg",
    ]
    with Image.open(out / "turned.jpg") as turned, Image.open(out / "face.webp") as face:
        assert turned.size == face.size == (320, 240)
        assert not turned.getexif()
        away = np.asarray(turned.convert("RGB"), int) - np.asarray(face.convert("RGB"), int)
    assert np.abs(away).mean() < 12  # both upright, with much the same drawn
    with Image.open(out / "nothing.png") as nothing:
        assert np.asarray(nothing.convert("RGB"))[:100].min() == 255
    for name in ("face.webp", "nothing.png", "turned.jpg"):
        assert streamfer(capfd, "verify", folder / name, out / name).code == 0
    assert "nothing to do" in streamfer(capfd, *arguments, "--skip-existing").out
    whole = (out / "turned.jpg").read_bytes()
    (out / "turned.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (32, 24)).save(out / "nothing.png")
    again = streamfer(capfd, *arguments, "--skip-existing")
    assert "2 frames" in again.out, again.out
    with Image.open(out / "turned.jpg") as turned, Image.open(out / "nothing.png") as nothing:
        turned.load()  # all of it is there
        assert turned.size == nothing.size == (320, 240)


def test_verify_says_what_is_not_that_picture(capfd: Capture, folder: Path, tmp_path: Path) -> None:
    Image.new("RGB", (320, 240)).save(tmp_path / "black.png")
    assert streamfer(capfd, "verify", folder / "face.webp", tmp_path / "black.png").code == 1
    Image.new("RGB", (322, 240)).save(tmp_path / "wide.png")
    ended = streamfer(capfd, "verify", folder / "face.webp", tmp_path / "wide.png")
    assert (ended.code, "322×240 pixels, not 320×240" in ended.out) == (1, True)


@pytest.mark.parametrize(
    ("source", "output", "more", "complaint"),
    [
        ("film.mkv", "x.png", (), "is not one picture; name a video, or"),
        ("face.webp", "x.png", ("--loop", "2"), "is not one picture"),
        ("", "{stream}.jpg", (), "film.mkv is not one picture"),
        ("face.webp", "face.webp", (), "is the input"),
        ("face.webp", "x.gif", (), "must end in one of them"),
    ],
)
def test_pictures_of_what_is_none_are_refused_at_once(
    capfd: Capture, folder: Path, source: str, output: str, more: tuple[str, ...], complaint: str
) -> None:
    before = sorted(folder.iterdir())
    ended = streamfer(capfd, "run", folder / source, "--output", folder / output, *more)
    assert (ended.code, complaint in ended.complaint) == (2, True), ended.err
    assert sorted(folder.iterdir()) == before


def test_a_damaged_picture_does_not_stop_the_others(
    capfd: Capture, folder: Path, tmp_path: Path
) -> None:
    (folder / "film.mkv").unlink()
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    ended = streamfer(capfd, "run", folder, "--no-refine", "--output", tmp_path / "{stream}.png")
    assert ended.code == 3
    assert sorted(p.name for p in tmp_path.glob("*.png")) == [
        "face.png",
        "nothing.png",
        "turned.png",
    ]


def test_from_python_as_well(folder: Path, tmp_path: Path) -> None:
    results = list(library.analyze(folder / "face.webp", output=tmp_path / "a.png", refine=False))
    assert len(results) == 1
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (320, 240)
