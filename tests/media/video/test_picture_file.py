from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamfer.errors import OutputError
from streamfer.media.files.claims import OutputClaims
from streamfer.media.video.picture_file import is_still, picture_kind, write_picture
from streamfer.types import UInt8Array
from tests.support.clips import ClipSpec, make_clip, numbered_picture
from tests.support.shared import shared_file


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.png", "png"),
        ("a.JPG", "jpg"),
        ("a.jpeg", "jpeg"),
        ("a.webp", "webp"),
        ("a.heic", "jpg"),
        ("a.avif", "jpg"),
        ("a.tiff", "png"),
        ("a.bmp", "png"),
        ("a", "png"),
    ],
)
def test_a_picture_stays_of_its_kind_where_it_can(name: str, kind: str) -> None:
    assert picture_kind(Path(name)) == kind


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "bmp", "avif"])
def test_one_picture_is_a_still(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(numbered_picture(1, (96, 64))).save(path)
    assert is_still(path) is True


@pytest.mark.parametrize("suffix", ["webp", "gif", "png"])
def test_what_moves_is_none(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    images = [Image.fromarray(numbered_picture(n, (96, 64))) for n in range(3)]
    images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    assert is_still(path) is False


def test_nor_is_a_video_of_one_frame(tmp_path: Path) -> None:
    assert is_still(make_clip(tmp_path / "a.mp4", ClipSpec(frames=1, fps=Fraction(25)))) is False


def test_of_what_cannot_be_read_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    assert is_still(tmp_path / "a.png") is None
    assert is_still(tmp_path / "missing.png") is None


def written(folder: Path, suffix: str, image: UInt8Array) -> UInt8Array:
    path = OutputClaims().replace(folder / f"a{suffix}")
    write_picture(path, image)
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize(("suffix", "most"), [(".png", 0), (".jpg", 3), (".jpeg", 3), (".webp", 5)])
def test_pictures_keep_their_size_and_colours(suffix: str, most: int, tmp_path: Path) -> None:
    with Image.open(shared_file("media/single_face.jpg")) as picture:
        image = np.asarray(picture.convert("RGB"))[101:302, 51:252]  # odd sizes
    read = written(tmp_path, suffix, image)
    assert read.shape == image.shape
    assert np.abs(read.astype(int) - image).mean() <= most


def test_coloured_lines_do_not_fade_in_a_jpeg(tmp_path: Path) -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, 31] = (255, 0, 0)
    assert written(tmp_path, ".jpg", image)[:, 31, 0].min() > 230


def test_what_is_too_large_for_its_kind_is_one_line(tmp_path: Path) -> None:
    path = OutputClaims().replace(tmp_path / "a.webp")
    with pytest.raises(OutputError, match=r"webp cannot hold 16384×1 pixels; name a \.png"):
        write_picture(path, np.zeros((1, 16384, 3), np.uint8))
    assert not path.exists()
