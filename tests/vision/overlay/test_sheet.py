"""Sheets of pictures."""

from __future__ import annotations

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamfer.errors import OutputError
from streamfer.vision.overlay.sheet import (
    captioned,
    encode_picture,
    sheet,
    write_png,
    write_sheet,
)


def test_pictures_lie_in_rows_on_white() -> None:
    pictures = np.arange(3, dtype=np.uint8)[:, None, None].repeat(4, 1).repeat(5, 2)
    result = sheet(pictures, columns=2)
    assert result.shape == (2 * 6 + 2, 2 * 7 + 2)
    assert (result[2:6, 2:7] == 0).all()
    assert (result[2:6, 9:14] == 1).all()
    assert (result[8:12, 2:7] == 2).all()
    assert (result[8:12, 9:14] == 255).all()


def test_a_caption_stands_above_its_picture() -> None:
    for picture in (np.full((64, 64), 90, np.uint8), np.full((256, 256, 3), 90, np.uint8)):
        tile = captioned(picture, "anna", 112)
        assert tile.shape == (130, 116, 3)
        assert (tile[18:, 2:114] == 90).all()
        assert tile[:18].min() < 100
        assert (tile[:, :2] == 255).all()
    assert (captioned(picture, "", 112)[:18] == 255).all()


def test_captions_end_where_their_picture_does() -> None:
    tile = captioned(np.zeros((64, 64), np.uint8), "girl_with_a_pearl_earring.2026-12-01", 112)
    assert tile[:18, 100:114].min() < 100  # its end is there, its middle is not
    assert (tile[:18, 114:] == 255).all()


def test_captions_know_more_than_ascii() -> None:
    picture = np.zeros((64, 64), np.uint8)
    plain, umlaut = captioned(picture, "Muller", 112), captioned(picture, "Müller", 112)
    assert (plain[:18] != umlaut[:18]).any()
    assert (captioned(picture, "M??ller", 112)[:18] != umlaut[:18]).any()


def test_written_pictures_keep_gray_and_colour(tmp_path: Path) -> None:
    gray = np.arange(48, dtype=np.uint8).reshape(1, 6, 8)
    write_sheet(gray, tmp_path / "gray.png", columns=1)
    read = cv2.imread(str(tmp_path / "gray.png"), cv2.IMREAD_GRAYSCALE)
    assert read is not None
    np.testing.assert_array_equal(read[2:8, 2:10], gray[0])
    red = np.zeros((2, 2, 3), np.uint8)
    red[..., 0] = 200
    write_png(red, tmp_path / "red.png")
    assert cv2.imread(str(tmp_path / "red.png"))[0, 0].tolist() == [0, 0, 200]


def test_unwritable_picture_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"missing/sheet\.png"):
        write_sheet(np.zeros((1, 2, 2), np.uint8), tmp_path / "missing" / "sheet.png")


@pytest.mark.parametrize("suffix", [".nonsense", ""])
def test_a_kind_of_picture_that_does_not_exist_is_refused(suffix: str) -> None:
    with pytest.raises(OutputError, match="cannot encode a picture as"):
        encode_picture(np.zeros((2, 2, 3), np.uint8), suffix)


def test_no_half_of_a_picture_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_png(np.zeros((8, 8), np.uint8), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
